// A bank's program on openid-client, an independent and certified client library: it talks to the hub as to any
// authorization server. Its parts are played in the order of `play`; where the enterprise must act, it prints one line
// {"open": address} or {"approve": …} and waits for a line with the outcome.
import { createInterface } from 'node:readline'
import * as oidc from 'openid-client'

const told = JSON.parse(process.argv[2])
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

async function person(wish) {
  console.log(JSON.stringify(wish))
  return JSON.parse((await lines.next()).value)
}

function done(part, result = true) {
  console.log(JSON.stringify({ part, result }))
}

async function refusedWith(error, promise) {
  try {
    await promise
  } catch (caught) {
    if (caught.error === error) return
    throw caught
  }
  throw new Error(`${error} was expected, and it went through`)
}

const { kid, ...jwk } = told.jwk
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const signing = { key, kid }

const config = await oidc.discovery(
  new URL(told.issuer),
  told.client_id,
  { use_mtls_endpoint_aliases: false },
  oidc.PrivateKeyJwt(signing),
  { algorithm: 'oauth2', execute: [oidc.allowInsecureRequests] },
)
const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair('ES256'))
const about = config.serverMetadata()
done('discovery', { issuer: about.issuer, pkce: about.supportsPKCE() })

function ask(tokens, path, method = 'GET', body, headers = {}) {
  const address = new URL(told.issuer + path)
  return oidc.fetchProtectedResource(config, tokens.access_token, address, method, body, new Headers(headers), { DPoP })
}

async function query(tokens) {
  const body = JSON.stringify({ consent_id: tokens.grant_id, uscc: told.detail.uscc, purpose: told.detail.purpose })
  const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() }
  const answer = await ask(tokens, '/v1/datasets/registration/queries', 'POST', body, headers)
  return { status: answer.status, found: (await answer.json()).found }
}

async function redirect(extra = {}) {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const parameters = {
    redirect_uri: told.redirect_uri,
    scope: '',
    state,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    authorization_details: JSON.stringify([told.detail]),
    ...extra,
  }
  return { parameters, checks: { pkceCodeVerifier: verifier, expectedState: state } }
}

const play = {
  async client_credentials() {
    const tokens = await oidc.clientCredentialsGrant(config, {}, { DPoP })
    const answer = await ask(tokens, '/v1/usage')
    return { type: tokens.token_type, status: answer.status }
  },

  async code_flow() {
    const { parameters, checks } = await redirect()
    const address = await oidc.buildAuthorizationUrlWithPAR(config, parameters, { DPoP })
    const { back } = await person({ open: address.href, verb: 'approve' })
    const tokens = await oidc.authorizationCodeGrant(config, new URL(back), checks, undefined, { DPoP })
    const again = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP })
    const answer = await query({ ...again, grant_id: tokens.grant_id })
    await refusedWith(
      'invalid_grant',
      oidc.authorizationCodeGrant(config, new URL(back), checks, undefined, { DPoP }),
    )
    await refusedWith('invalid_grant', oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP }))
    return { type: tokens.token_type, detail: tokens.authorization_details[0].type, answer }
  },

  async signed_request() {
    const { parameters, checks } = await redirect()
    const signed = await oidc.buildAuthorizationUrlWithJAR(config, parameters, signing)
    const request = signed.searchParams.get('request')
    const address = await oidc.buildAuthorizationUrlWithPAR(config, { request })
    const { back } = await person({ open: address.href, verb: 'approve' })
    const tokens = await oidc.authorizationCodeGrant(config, new URL(back), checks, undefined, { DPoP })
    const grant = await ask(tokens, `/grants/${tokens.grant_id}`)
    const deleted = await ask(tokens, `/grants/${tokens.grant_id}`, 'DELETE')
    return { status: (await grant.json()).status, deleted: deleted.status, answer: await query(tokens) }
  },

  async refusal() {
    const { parameters, checks } = await redirect()
    const address = await oidc.buildAuthorizationUrlWithPAR(config, parameters)
    const { back } = await person({ open: address.href, verb: 'reject' })
    await refusedWith('access_denied', oidc.authorizationCodeGrant(config, new URL(back), checks, undefined, { DPoP }))
    return true
  },

  async mixed_up() {
    const { parameters, checks } = await redirect()
    const address = await oidc.buildAuthorizationUrlWithPAR(config, parameters)
    const back = new URL((await person({ open: address.href, verb: 'approve' })).back)
    back.searchParams.set('iss', 'https://elsewhere.example')
    const stopped = await oidc
      .authorizationCodeGrant(config, back, checks, undefined, { DPoP })
      .then(() => false, () => true)
    return { stopped }
  },

  async ciba() {
    const parameters = {
      scope: '',
      login_hint: told.detail.uscc,
      binding_message: 'A-4711',
      authorization_details: JSON.stringify([told.detail]),
    }
    const begun = await oidc.initiateBackchannelAuthentication(config, parameters)
    await person({ answer_waiting: true, verb: 'approve' })
    const tokens = await oidc.pollBackchannelAuthenticationGrant(config, begun, undefined, { DPoP })
    return { type: tokens.token_type, answer: await query(tokens) }
  },

  async signed_ciba() {
    // The library signs authorization requests; the same JWT serves here (CIBA Core 7.1.1).
    const parameters = {
      login_hint: told.detail.uscc,
      binding_message: 'A-4712',
      authorization_details: JSON.stringify([told.detail]),
    }
    const signed = await oidc.buildAuthorizationUrlWithJAR(config, parameters, signing)
    const begun = await oidc.initiateBackchannelAuthentication(config, { request: signed.searchParams.get('request') })
    await person({ answer_waiting: true, verb: 'approve' })
    const tokens = await oidc.pollBackchannelAuthenticationGrant(config, begun, undefined, { DPoP })
    return { type: tokens.token_type, answer: await query(tokens) }
  },

  async introspection_and_revocation() {
    const tokens = await oidc.clientCredentialsGrant(config, {}, { DPoP })
    const before = await oidc.tokenIntrospection(config, tokens.access_token)
    await oidc.tokenRevocation(config, tokens.access_token)
    const after = await oidc.tokenIntrospection(config, tokens.access_token)
    const error = await ask(tokens, '/v1/usage').then((answer) => answer.status, (caught) => caught.status)
    return { before: before.active, client: before.client_id, after: after.active, status: error }
  },
}

for (const part of told.parts) {
  done(part, await play[part]())
}
process.exit(0)
