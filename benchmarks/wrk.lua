-- The requests that wrk sends, by scenario: wrk ... -s wrk.lua URL -- SCENARIO [SLICE]
-- A scenario with a function makes each request anew; the others send the same bytes again and again.

local PATH = "/api/token"
local GOOD = '{"roomName":"support-4711","participantIdentity":"alice"}'
local slice, count = "", 0

local function post(body, path, headers)
  local sent = { ["Content-Type"] = "application/json", ["Origin"] = "http://localhost:4200" }
  for name, value in pairs(headers or {}) do
    sent[name] = value
  end
  return { method = "POST", path = path or PATH, headers = sent, body = body }
end

local function fresh()
  local n = slice .. "-" .. count
  return post('{"roomName":"room-' .. n .. '","participantIdentity":"user-' .. n .. '"}')
end

local function faults()
  local n = slice .. "-" .. count
  local id = { ["X-Request-Id"] = "id-" .. n }
  local kind = count % 3
  if kind == 0 then
    return post(GOOD, "/api/unknown-" .. n, id)
  elseif kind == 1 then
    return post('{"roomName":"a","participantIdentity":"b","unknown-' .. n .. '":1}', PATH, id)
  end
  return post('{"roomName":"room ' .. n .. '","participantIdentity":"b"}', PATH, id)
end

local SCENARIOS = {
  accepted = post(GOOD),
  invalid = post('{"roomName":"support-4711","participantIdentity":"alice smith"}'),
  malformed = post('{"roomName":"support-4711",}'),
  not_found = post(GOOD, "/api/unknown"),
  method = { method = "GET", path = PATH, headers = { ["Origin"] = "http://localhost:4200" } },
  media_type = post(GOOD, PATH, { ["Content-Type"] = "text/plain" }),
  too_large = post('{"roomName":"' .. string.rep("a", 20000) .. '"}'),
  fresh = fresh,
  faults = faults,
}

function init(args)
  local scenario = SCENARIOS[args[1]]
  slice = args[2] or "0"
  if type(scenario) == "function" then
    wrk.request = function()
      count = count + 1
      local made = scenario()
      return wrk.format(made.method, made.path, made.headers, made.body)
    end
    request = wrk.request
  else
    wrk.method, wrk.path, wrk.body = scenario.method, scenario.path, scenario.body
    for name, value in pairs(scenario.headers) do
      wrk.headers[name] = value -- Beside Host, which is there already.
    end
  end
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"refused":%d,"socket_errors":%d,'
      .. '"p50_ms":%.3f,"p95_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3
  ))
end
