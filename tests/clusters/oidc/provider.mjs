// A certified OpenID provider (panva's oidc-provider) on loopback that stands in for Life Science
// AAI: device grant, rotation of refresh tokens, revocation, entitlements, GA4GH visas of two
// issuers. What real providers do now and then, it does when it is told to, see `told`.
//
//   https://localhost:PORT      the provider
//   http://127.0.0.1:PORT+1     for tests only: GET / counts requests, GET /issued lists all secrets
//                               that it has handed out, POST / sets `told`
//   https://localhost:PORT+2    the second issuer of visas: discovery and keys
//
// Environment: PORT, TLS_CERT, TLS_KEY (also the signing key; its certificate is in the JWKS).
import http from 'node:http';
import https from 'node:https';
import fs from 'node:fs';
import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import * as jose from 'jose';
import Provider from 'oidc-provider';

const PORT = +process.env.PORT;
process.title = `vxm-oidc-${PORT}`;
const CLIENT = 'voxelmill-test';
const issuer = `https://localhost:${PORT}`;
const other = `https://localhost:${PORT + 2}`;
const tls = { cert: fs.readFileSync(process.env.TLS_CERT), key: fs.readFileSync(process.env.TLS_KEY) };

// --- what it can be told ------------------------------------------------------------------------
const usual = {
  access_s: 3600, // life of an access token
  id_s: 3600, // life of an ID token
  device_s: 600, // life of a device code
  interval: 1, // of polling; 0: name none
  slow_down: 0, // so many polls are answered slow_down
  errors: 0, // so many requests for tokens are answered 503
  hang_up: 0, // so many requests for tokens are dropped without an answer
  before_ms: 0, // how long a refresh waits before it is worked on; not at all if the client leaves
  after_ms: 0, // how long its answer waits
  claims: {}, // of ID tokens: these instead; null takes one away
  skew_s: 0, // its clock, as seen in ID tokens, is so far ahead
  sign: '', // none, HS256, tampered, other (an unknown key under the known id), new (a new key)
  at_hash: true, // whether ID tokens have it
  nonce: true, // whether they have the nonce of the device request
  userinfo: {}, // claims of userinfo: these instead
  scopes: true, // whether the discovery document lists scopes
  listening: true,
};
let told = { ...usual };
let counts = {};
const issued = [];

// --- keys ---------------------------------------------------------------------------------------
const x5c = [tls.cert.toString().split('-----END')[0].replace(/-----[^-]+-----|\s/g, '')];
const key = (pem, kid, more) => ({ ...pem.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256', ...more });
const fresh = () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const own = key(createPrivateKey(tls.key), 'own', { x5c });
const [unknown, rolled, theirs] = [key(fresh(), 'own'), key(fresh(), 'rolled'), key(fresh(), 'theirs')];
const open = ({ kty, n, e, kid, use, alg, x5c: chain }) => ({ kty, n, e, kid, use, alg, ...(chain && { x5c: chain }) });

const sign = async (claims, jwk, header = {}) =>
  new jose.SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: jwk.kid, ...header })
    .sign(await jose.importJWK(jwk, 'RS256'));
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const tamper = (token) => {
  const [head, , signature] = token.split('.');
  return `${head}.${part({ ...jose.decodeJwt(token), sub: 'mallory' })}.${signature}`;
};

async function forged(token, nonce, access) {
  const claims = jose.decodeJwt(token);
  for (const name of ['iat', 'exp']) claims[name] += told.skew_s;
  if (told.nonce && nonce) claims.nonce = nonce;
  if (told.at_hash) claims.at_hash = createHash('sha256').update(access).digest().subarray(0, 16).toString('base64url');
  for (const [name, value] of Object.entries(told.claims)) {
    if (value === null) delete claims[name]; else claims[name] = value;
  }
  if (told.sign === 'none') return `${part({ alg: 'none' })}.${part(claims)}.`;
  if (told.sign === 'HS256') {
    const pem = await jose.exportSPKI(await jose.importJWK(open(own), 'RS256'));
    return new jose.SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'own' }).sign(Buffer.from(pem));
  }
  if (told.sign === 'other') return sign(claims, unknown);
  if (told.sign === 'new') return sign(claims, rolled);
  const signed = await sign(claims, own);
  return told.sign === 'tampered' ? tamper(signed) : signed;
}

// --- visas: alice has sound ones, eve all others ------------------------------------------------
async function visas(account) {
  const now = Math.floor(Date.now() / 1000);
  const visa = (iss, type, value, more = {}) => ({
    iss, sub: iss === issuer ? account : `${account}@other`, iat: now, exp: now + 3600,
    ga4gh_visa_v1: { type, value, source: 'https://example.org/institute', by: 'dac', asserted: 1700000000 }, ...more,
  });
  const role = visa(issuer, 'AffiliationAndRole', 'researcher@example.org');
  const grant = visa(other, 'ControlledAccessGrants', 'https://example.org/datasets/710');
  if (account !== 'eve') return [await sign(role, own), await sign(grant, theirs, { jku: `${other}/jwks` })];
  return [
    tamper(await sign(role, own)),
    await sign({ ...role, exp: now - 7200 }, own),
    `${part({ alg: 'none' })}.${part(role)}.`,
    await sign(grant, theirs, { jku: `${other}/stolen` }),
    await sign(visa('https://localhost:1/unknown', 'ResearcherStatus', 'x'), theirs),
    await sign({ ...role, sub: 'alice' }, own),
    'no visa',
  ];
}

// --- the provider -------------------------------------------------------------------------------
const provider = new Provider(issuer, {
  jwks: { keys: [own] },
  clients: [{
    client_id: CLIENT, token_endpoint_auth_method: 'none', application_type: 'native', redirect_uris: [],
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], response_types: [],
  }],
  features: {
    deviceFlow: { enabled: true }, devInteractions: { enabled: true }, revocation: { enabled: true },
  },
  scopes: ['openid', 'offline_access', 'email', 'profile', 'eduperson_entitlement', 'ga4gh_passport_v1'],
  claims: {
    openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'],
    eduperson_entitlement: ['eduperson_entitlement'], ga4gh_passport_v1: ['ga4gh_passport_v1'],
  },
  async findAccount(ctx, id) {
    const groups = [`urn:geant:lifescience-ri.eu:group:bioimg:${id}`];
    const claims = async (use) => ({
      sub: id, email: `${id}@example.org`, email_verified: true, name: `Dr. ${id}`, eduperson_entitlement: groups,
      ...(use === 'userinfo' && { ga4gh_passport_v1: await visas(id) }),
    });
    return { accountId: id, claims };
  },
  ttl: {
    AccessToken: () => told.access_s, IdToken: () => told.id_s, DeviceCode: () => told.device_s,
    RefreshToken: 86400, Grant: 86400, Session: 86400, Interaction: 3600,
  },
  issueRefreshToken: async (ctx, client, code) => code.scopes.has('offline_access'),
  rotateRefreshToken: true,
  cookies: { keys: ['for tests only'] },
});
provider.on('server_error', (ctx, error) => console.error('server_error', error));

const form = async (request) => {
  let text = '';
  for await (const chunk of request) text += chunk;
  return Object.fromEntries(new URLSearchParams(text));
};
const count = (name) => { counts[name] = (counts[name] || 0) + 1; };
const wait = (ms) => new Promise((done) => { setTimeout(done, ms); });
const grants = new Map(); // device code -> what it was asked with

async function tokens(ctx, next) {
  const asked = ctx.req.body;
  const kind = asked.grant_type === 'refresh_token' ? 'refresh' : 'poll';
  count(kind);
  const refuse = (status, error) => { ctx.status = status; ctx.body = { error }; };
  if (told.hang_up > 0) { told.hang_up -= 1; ctx.respond = false; ctx.req.socket.destroy(); return; }
  if (told.errors > 0) { told.errors -= 1; refuse(503, 'temporarily_unavailable'); return; }
  if (kind === 'poll' && told.slow_down > 0) { told.slow_down -= 1; refuse(400, 'slow_down'); return; }
  const grant = grants.get(asked.device_code) || {};
  if (kind === 'poll') {
    const proof = createHash('sha256').update(asked.code_verifier || '').digest('base64url');
    if (proof !== grant.challenge) { refuse(400, 'invalid_grant'); return; }
  }
  if (kind === 'refresh') await wait(told.before_ms);
  if (ctx.req.socket.destroyed) { ctx.respond = false; return; }
  await next();
  if (ctx.body?.id_token) ctx.body.id_token = await forged(ctx.body.id_token, grant.nonce, ctx.body.access_token);
  if (ctx.status === 200) {
    count(`${kind} granted`);
    issued.push(...['access_token', 'refresh_token', 'id_token'].map((name) => ctx.body[name]).filter(Boolean));
  }
  if (kind === 'refresh') await wait(told.after_ms);
}

provider.use(async (ctx, next) => {
  if (ctx.method === 'POST' && ['/token', '/device/auth', '/token/revocation'].includes(ctx.path)) {
    ctx.req.body = await form(ctx.req);
  }
  if (ctx.path === '/token') { await tokens(ctx, next); return; }
  await next();
  count(ctx.path);
  if (ctx.path === '/device/auth' && ctx.status === 200) {
    const { body } = ctx.req;
    grants.set(ctx.body.device_code, { nonce: body.nonce, challenge: body.code_challenge_method === 'S256' && body.code_challenge });
    issued.push(ctx.body.device_code);
    counts.scope = body.scope;
    if (told.interval) ctx.body.interval = told.interval;
  }
  if (ctx.path === '/jwks') ctx.body = { keys: told.sign === 'new' ? [open(own), open(rolled)] : [open(own)] };
  if (ctx.path === '/me' && ctx.status === 200) Object.assign(ctx.body, told.userinfo);
  if (ctx.path === '/.well-known/openid-configuration' && !told.scopes) delete ctx.body.scopes_supported;
});

// --- servers ------------------------------------------------------------------------------------
const server = https.createServer(tls, provider.callback());
const listen = () => new Promise((done) => { server.listen(PORT, '127.0.0.1', done); });
const close = () => new Promise((done) => { server.close(done); server.closeAllConnections(); });
const json = (response, value) => response.setHeader('Content-Type', 'application/json').end(JSON.stringify(value));

https.createServer(tls, (request, response) => {
  count(`other ${request.url}`);
  if (request.url === '/.well-known/openid-configuration') json(response, { issuer: other, jwks_uri: `${other}/jwks` });
  else json(response, { keys: [open(theirs)] });
}).listen(PORT + 2, '127.0.0.1');

http.createServer(async (request, response) => {
  if (request.method === 'POST') {
    let text = '';
    for await (const chunk of request) text += chunk;
    const before = told.listening;
    told = { ...usual, ...JSON.parse(text) };
    counts = {};
    if (told.listening !== before) await (told.listening ? listen() : close());
  }
  json(response, request.url === '/issued' ? issued : counts);
}).listen(PORT + 1, '127.0.0.1');

await listen();
console.log('issuer', issuer, 'client', CLIENT);
