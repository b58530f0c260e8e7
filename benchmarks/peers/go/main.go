// The token endpoint as a Go developer would write it. FORM=bare leaves out the audit line, the request
// id, CORS and Cache-Control.
package main

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
)

const maxBytes = 16 * 1024

var (
	key, secret = os.Getenv("LIVEKIT_API_KEY"), os.Getenv("LIVEKIT_API_SECRET")
	serverURL   = os.Getenv("LIVEKIT_URL")
	origins     = []string{"http://localhost:4200"}
	name        = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)
	control     = regexp.MustCompile(`[\x00-\x1f\x7f-\x{9f}]`)
	requestID   = regexp.MustCompile(`^[A-Za-z0-9_.~:=+/@-]{1,128}$`)
)

type tokenRequest struct {
	RoomName            string `json:"roomName"`
	ParticipantIdentity string `json:"participantIdentity"`
	ParticipantName     string `json:"participantName"`
	ExpirationSeconds   int    `json:"expirationSeconds"`
}

type tokenResponse struct {
	Token               string `json:"token"`
	ExpiresAt           string `json:"expiresAt"`
	RoomName            string `json:"roomName"`
	ParticipantIdentity string `json:"participantIdentity"`
	ServerURL           string `json:"serverUrl"`
}

type fault struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

type refusal struct {
	StatusCode       int     `json:"statusCode"`
	ErrorCode        string  `json:"errorCode"`
	ValidationErrors []fault `json:"validationErrors"`
}

// answer is what goes out, and what the audit line says of it.
type answer struct {
	http.ResponseWriter
	status int
	facts  []slog.Attr
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func (order tokenRequest) faults() (found []fault) {
	if !name.MatchString(order.RoomName) {
		found = append(found, fault{"roomName", "must be 1 to 255 of A-Z a-z 0-9 _ -"})
	}
	if !name.MatchString(order.ParticipantIdentity) {
		found = append(found, fault{"participantIdentity", "must be 1 to 255 of A-Z a-z 0-9 _ -"})
	}
	if utf8.RuneCountInString(order.ParticipantName) > 255 || control.MatchString(order.ParticipantName) {
		found = append(found, fault{"participantName", "must be at most 255 characters, no control characters"})
	}
	if order.ExpirationSeconds < 60 || order.ExpirationSeconds > 86400 {
		found = append(found, fault{"expirationSeconds", "must be an integer from 60 to 86400"})
	}
	return found
}

func issueToken(w http.ResponseWriter, r *http.Request) {
	order := tokenRequest{ExpirationSeconds: 3600}
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBytes))
	body.DisallowUnknownFields()
	if err := body.Decode(&order); err != nil {
		refuse(w, http.StatusBadRequest, "VALIDATION_ERROR", fault{"body", err.Error()})
		return
	}
	if _, err := body.Token(); err != io.EOF {
		refuse(w, http.StatusBadRequest, "VALIDATION_ERROR", fault{"body", "must be one JSON object"})
		return
	}
	if found := order.faults(); len(found) > 0 {
		refuse(w, http.StatusBadRequest, "VALIDATION_ERROR", found...)
		return
	}
	token, expiresAt, err := sign(order)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "TOKEN_GENERATION_FAILED")
		return
	}
	if a, ok := w.(*answer); ok {
		a.facts = []slog.Attr{
			slog.String("room", order.RoomName),
			slog.String("identity", order.ParticipantIdentity),
			slog.String("expiresAt", expiresAt),
		}
	}
	write(w, http.StatusOK, tokenResponse{token, expiresAt, order.RoomName, order.ParticipantIdentity, serverURL})
}

func sign(order tokenRequest) (token, expiresAt string, err error) {
	displayed := order.ParticipantName
	if displayed == "" {
		displayed = order.ParticipantIdentity
	}
	grant := &auth.VideoGrant{RoomJoin: true, Room: order.RoomName}
	grant.SetCanPublish(true)
	grant.SetCanPublishSources([]livekit.TrackSource{livekit.TrackSource_MICROPHONE})
	grant.SetCanSubscribe(true)
	grant.SetCanPublishData(true)
	token, err = auth.NewAccessToken(key, secret).
		SetIdentity(order.ParticipantIdentity).
		SetName(displayed).
		SetValidFor(time.Duration(order.ExpirationSeconds) * time.Second).
		SetVideoGrant(grant).
		ToJWT()
	if err != nil {
		return "", "", err
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		return "", "", err
	}
	var claims struct {
		Exp int64 `json:"exp"`
	}
	err = json.Unmarshal(payload, &claims)
	return token, time.Unix(claims.Exp, 0).UTC().Format(time.RFC3339), err
}

func refuse(w http.ResponseWriter, status int, code string, found ...fault) {
	write(w, status, refusal{status, code, found})
}

func write(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content)
}

func full(next http.Handler) http.Handler {
	logger := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		id := r.Header.Get("X-Request-Id")
		if !requestID.MatchString(id) {
			id = rand.Text()
		}
		headers := w.Header()
		headers.Set("X-Request-Id", id)
		headers.Set("Cache-Control", "no-store")
		headers.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); slices.Contains(origins, origin) {
			headers.Set("Access-Control-Allow-Origin", origin)
			headers.Set("Access-Control-Expose-Headers", "X-Request-Id")
		}
		a := &answer{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(a, r)
		logger.LogAttrs(r.Context(), slog.LevelInfo, "request", append([]slog.Attr{
			slog.String("requestId", id),
			slog.String("method", r.Method),
			slog.String("path", r.URL.Path),
			slog.Int("status", a.status),
			slog.Float64("durationMs", float64(time.Since(started).Microseconds())/1000),
		}, a.facts...)...)
	})
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/token", issueToken)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "NOT_FOUND")
	})
	var handler http.Handler = mux
	if os.Getenv("FORM") != "bare" {
		handler = full(mux)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), handler))
}
