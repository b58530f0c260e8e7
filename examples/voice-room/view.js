// Everything that is written to the page. Texts go in as text: names and messages are other people's.
import { facts, grants, lifetime } from './claims.js';

const find = (id) => document.getElementById(id);
const element = (name, ...content) => {
  const made = document.createElement(name);
  made.append(...content);
  return made;
};

const STATES = {
  'signed-out': 'Not signed in',
  'signing-in': 'Signing in…',
  idle: 'Not joined',
  joining: 'Joining…',
  joined: 'Joined',
  reconnecting: 'Reconnecting…',
};
const BUTTONS = {
  'signed-out': 'sign-in-button',
  'signing-in': 'sign-in-button',
  idle: 'join-button',
  joining: 'join-button',
  joined: 'leave-button',
  reconnecting: 'leave-button',
};

/** Show that people sign in here, at the provider of that address. */
export function issuer(address) {
  find('issuer').textContent = address;
  find('name-hint').textContent = 'What the others see. Empty: the name you signed in with.';
  // Who joins again with the same identity throws the first one out.
  find('invitation').textContent = 'Join as somebody else in another tab';
  for (const id of ['accounts', 'sign-in-step']) {
    find(id).hidden = false;
  }
}

/** Show who is signed in: { name, identity }, or nobody. */
export function account(person) {
  find('account').hidden = !person;
  find('account-name').textContent = person?.name ?? '';
  find('account-identity').textContent = person?.identity ?? '';
}

/** Show which part of a session's life this is: a key of STATES. */
export function state(name) {
  const idle = name === 'idle' || name === 'signed-out';
  const joined = name === 'joined' || name === 'reconnecting';
  find('state').dataset.state = name;
  find('state').textContent = STATES[name];
  find('fields').disabled = !idle;
  for (const id of ['sign-in-button', 'sign-out-button', 'join-button']) {
    find(id).disabled = !idle;
  }
  showButton(BUTTONS[name]);
  for (const id of ['people', 'microphone', 'token']) {
    find(id).hidden = !joined;
  }
  find('empty').hidden = joined;
}

/** Show what went wrong, and mark the inputs that it is about; nothing to show: clear it. */
export function failure(found) {
  const faulty = new Set(found?.faults.map(({ field }) => field));
  for (const input of find('fields').querySelectorAll('[data-field]')) {
    input.setAttribute('aria-invalid', faulty.has(input.dataset.field));
  }
  find('failure').replaceChildren(...(found ? [failureCard(found)] : []));
}

/** Show the room's name, and an address that joins it. */
export function room(name, invitation) {
  find('room-name').textContent = name;
  find('invitation').href = invitation;
}

/** Show who is there: [{ identity, name, isMe, isSpeaking, isMuted }]. */
export function participants(people) {
  const rows = new Map([...find('participants').children].map((row) => [row.dataset.identity, row]));
  find('participants').replaceChildren(
    ...people.map((person) => participant(rows.get(person.identity) ?? newRow(), person)),
  );
}

/** Tell a screen reader what a sighted person sees. */
export function news(text) {
  find('news').textContent = text;
}

/** Say something about the microphone or the camera. */
export function note(text) {
  find('note').textContent = text;
}

/** Show the microphone's level, 0 to 1. */
export function level(value) {
  find('meter').style.setProperty('--share', value);
  find('meter').setAttribute('aria-valuenow', Math.round(value * 100));
}

/** Show what a token says. */
export function claims(payload) {
  const { granted, withheld } = grants(payload);
  find('claims').replaceChildren(
    ...facts(payload).flatMap(([term, text]) => [element('dt', term), element('dd', text)]),
    element('dt', 'Grants'),
    element('dd', list(granted, 'granted')),
    element('dt', 'Withholds'),
    element('dd', list(withheld, 'withheld')),
  );
  find('payload').textContent = JSON.stringify(payload, null, 2);
  countdown(payload);
}

/** Show how long a token has to live. */
export function countdown(payload) {
  const { left, share } = lifetime(payload);
  find('left').textContent = left;
  find('lifetime').style.setProperty('--share', share);
}

/** Show one of the buttons that carry a session on; the focus follows from the one that was pressed. */
function showButton(id) {
  const buttons = ['sign-in-button', 'join-button', 'leave-button'].map(find);
  const focused = isFocusLost() || [...buttons, find('sign-out-button')].includes(document.activeElement);
  for (const button of buttons) {
    button.hidden = button.id !== id;
  }
  if (focused) {
    find(id).focus();
  }
}

// A button that is disabled or hidden loses the focus to the top of the document, where it is at first.
function isFocusLost() {
  return document.activeElement === document.body && navigator.userActivation?.hasBeenActive !== false;
}

function failureCard({ title, message, faults, advice, facts: known }) {
  const card = element('section', element('h2', title), element('p', message));
  card.className = 'card failure';
  if (faults.length > 0) {
    card.append(element('dl', ...faults.flatMap(fault)));
  }
  card.append(...advice.map((text) => element('p', text)));
  if (known.length > 0) {
    const footer = element('p', ...known.map((fact) => element('span', fact)));
    footer.className = 'facts mono';
    card.append(footer);
  }
  return card;
}

function fault({ field, message }) {
  const term = element('dt', field);
  term.className = 'mono';
  return [term, element('dd', message)];
}

function list(texts, name) {
  const made = element('ul', ...texts.map((text) => element('li', text)));
  made.className = `grants ${name}`;
  return made;
}

function newRow() {
  return find('participant').content.firstElementChild.cloneNode(true);
}

function participant(row, { identity, name, isMe, isSpeaking, isMuted }) {
  row.dataset.identity = identity;
  row.classList.toggle('speaking', isSpeaking);
  row.querySelector('.avatar').textContent = initials(name || identity);
  row.querySelector('.name').textContent = `${name || identity}${isMe ? ' (you)' : ''}`;
  row.querySelector('.identity').textContent = identity;
  row.querySelector('.doing').textContent = isMuted ? 'muted' : isSpeaking ? 'speaking' : '';
  return row;
}

function initials(name) {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  return words.slice(0, 2).map((word) => [...word][0].toUpperCase()).join('');
}
