// Package middleware adds "Sign in with GitHub" to a net/http server.
//
// One wrap adds three routes; every handler behind it finds in its request's context who the user is
// and a GitHub client that acts for them:
//
//	auth, err := middleware.New(cfg, memory.New())
//	...
//	mux.Handle("GET /repos", auth.Require(repos))
//	server := &http.Server{Addr: addr, Handler: auth.Middleware(mux)}
//
// # Routes
//
// The callback stands where [Config.RedirectURL] says, the other two beside it:
//
//	GET  /auth/github/login     begins a sign-in; ?return_to=/path says where it ends
//	GET  /auth/github/callback  is where GitHub sends the visitor back to
//	POST /auth/github/logout    ends it, or the user's others; from this site alone: see [Authenticator.Logins]
//
// All other requests go on to the handlers behind, with the response writer as it came, so flushing,
// hijacking and [http.ResponseController] work there as ever.
//
// # What is kept where
//
//	browser, 10 minutes:  one sealed cookie per sign-in under way, with state, PKCE verifier and
//	                      the path to return to
//	browser, the session: a session cookie with a random token
//	session store (scs):  host, user id, login id
//	store.Store:          the grant: GitHub's token and the logins that count, each with when it began and was
//	                      last seen, and what the browser calls itself (see package grant)
//
// A request is signed in exactly when its login id stands in the grant. A replica remembers grants for
// ten seconds, see [WithStaleness], so steady requests cost the store nothing; but once an hour the use of a login is
// noted, see [WithLastSeen].
//
// # Gates
//
// Everybody whom GitHub knows may sign in, unless [WithGate] says who may come in: [AllowOrgs], [AllowTeams], [AllowUsers], or
// any func. Gates are asked at sign-in, and again while it lasts.
//
// # Problems
//
// What goes wrong is a [Problem]: a page for people, RFC 9457 JSON for programs, or the app's own
// handler (see [WithErrorHandler]). Handlers pass errors of their GitHub calls to
// [Authenticator.Fail], which knows the ones that are about the sign-in.
package middleware
