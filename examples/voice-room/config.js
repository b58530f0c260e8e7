// Where the token service is, unless the page's own address says it: `?api=…`. `make demo` serves its own.
export const apiUrl = 'http://127.0.0.1:7071/api';
// Where people sign in before they join: { issuer, clientId, audience }, the audience being the token service.
// They need not: null.
export const signIn = null;
