// Package grant keeps what a user granted: one record per GitHub user and host that holds their
// token, who is signed in with it, and who is refreshing it.
//
// A [Manager] signs users in and out, hands out tokens that work, and makes HTTP clients that act
// as a user. It is the package to use without the middleware, for example in a worker:
//
//	client, err := manager.Client(ctx, userID)
//
// # What a grant is
//
// A request is signed in exactly when its login id stands in the grant, so that signing out is final
// whatever a session store brings back. The token belongs to the user, not to a browser: two
// browsers share it, and the last one to sign out has it forgotten and revoked at GitHub (see
// [WithKeepTokens] for work on behalf of users who are away, and [WithRevokeAuthorization] for all that the user granted).
//
// A user can see their logins and end each: see [Manager.Logins]. That one is in use is noted once an hour, for one read and
// one write of the store behind the requests: see [WithLastSeen].
//
// # What a refresh is
//
// GitHub's refresh tokens are single use, and a refresh kills the old access token at once (GitHub
// docs, "Refreshing user access tokens"). So one refresh is under way per user in the whole fleet, the
// new pair is stored before anybody uses it, and a pair that GitHub issued is never thrown away while it
// is the newest. The steps stand in protocol.go, in the order in which they happen; docs/fleet.md draws
// them, and says what happens when a replica dies at any of them.
//
// # What a replica remembers
//
// Grants are kept for ten seconds ([WithStaleness]), so a steady request costs the store nothing; a
// sign-out on another replica counts everywhere after that, a sign-in at once. While the store is away,
// what is known is served on, for an hour at most.
//
// # Seen from outside
//
// The log, OpenTelemetry metrics and spans, and observers hear of each [Event]: see [WithLogger],
// [WithMeterProvider], [WithTracerProvider], [WithObserver].
//
// # Errors
//
// Errors are classed with package oauth's sentinels, found by [errors.Is]: [oauth.ErrSignInAgain]
// (the user must sign in, as [*SignInError] with the reason), [oauth.ErrTryLater] (an outage of the
// store or of GitHub; nobody is signed out by it) and [oauth.ErrMisconfigured].
package grant
