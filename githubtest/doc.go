// Package githubtest is a strict fake GitHub for tests and demos: the authorize page, the token
// endpoint and the part of the REST API that sign-in needs, all on one listener and all in memory.
//
// Strict means that it refuses what GitHub refuses. A code works once and for ten minutes, a
// refresh token works once and its use kills the old access token at the same moment, token errors
// arrive with status 200, and a client that keeps sending dead tokens is locked out. Where GitHub
// documents nothing, the fake takes the stricter reading and the comment at that place says so.
//
// In a test one line is enough to start it:
//
//	gh := githubtest.Start(t, githubtest.WithApp(githubtest.App{
//		ClientID: "Ov23liExample", Secrets: []string{"s3cret"},
//		Callbacks: []string{"http://127.0.0.1/callback"},
//	}))
//	gh.SignInAs("octocat") // no browser: authorize redirects at once
//
// What is tested has to know where that is, as of an Enterprise Server, and which app it is. With package middleware:
//
//	host, err := oauth.HostFromURL(gh.URL())
//	...
//	auth, err := middleware.New(middleware.Config{
//		Host: host, ClientID: "Ov23liExample", ClientSecrets: []oauth.Secret{oauth.NewSecret("s3cret")},
//		RedirectURL: "http://127.0.0.1/callback",
//	}, memory.New())
//
// [Server.AddApp] returns a client id and a secret that were made up.
//
// The same server is a program, github.com/ghlogin/ghlogin/githubtest/cmd/fakegithub. Under
// testing/synctest, where real sockets can't be used, take [New] in place of [Start], [Server.Transport] for all requests to the
// fake (middleware.WithHTTPClient, and the test's own browser), and [WithWebhookTransport]; docs/testing.md of this module has a whole
// test of that kind, and what is easy to miss.
//
// # What is not there
//
// The device flow is switched off, as it is for new apps. The token endpoint answers in form encoding
// and JSON, not in XML. Organizations guard who belongs to them and nothing else, see [Org], and
// GitHub Apps are installed on users alone. There is no limit of ten sign-ins an hour, no secondary
// rate limit and no limit of the token endpoint, no death of tokens that nobody used for a year, and
// no POST /applications/{client_id}/token/scoped. What of these an app meets as an answer (a status,
// a header, a body) can be injected by a [Fault].
//
// # What GitHub leaves open
//
// Some of what an app can run into is not documented by GitHub, and the fake had to choose:
//
//   - A wrong, missing or unasked-for code_verifier is bad_verification_code at the token endpoint.
//   - Malformed PKCE parameters are invalid_request and unknown scopes invalid_scope, both by redirect.
//   - An attempt that fails after the client was authenticated spends the code.
//   - A reset token (PATCH) has no refresh token. Resetting or deleting a token that is dead is 422.
//   - /credentials/revoke kills only what is listed, not the other half of a pair.
//   - GitHub Apps are held to ten live tokens like OAuth Apps.
//   - Twenty bad credentials in a minute lock out for a minute, see [WithBadCredentialsLimit].
//
// The package uses the standard library only and shares no code with the library that it is used to
// test, so that one misreading of GitHub's documentation can't hide in both.
package githubtest
