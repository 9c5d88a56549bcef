package middleware

import (
	"context"
	"net/http"

	"github.com/ghlogin/ghlogin/grant"
	"github.com/ghlogin/ghlogin/oauth"
)

// User is a GitHub account. Its ID stays when the login is renamed: key your own data by it, and
// treat the rest as what to show.
type User = oauth.User

// Identity is who a request is from, and what acts for them.
type Identity struct {
	User User // User is who signed in.

	// HTTPClient acts as the user at Host's API; see [grant.Manager.HTTPClient]. In a test, a handler that calls GitHub needs one,
	// and Host where that is a fake: without it [ClientFromContext] returns nil and false.
	HTTPClient *http.Client

	// Host is the GitHub that the user signed in at; zero is github.com.
	Host oauth.Host
}

// visit is what the middleware found out about a request. It is made once and not changed.
type visit struct {
	auth       *Authenticator // Nil in a context made by NewContext, and clients is nil too.
	clients    *userClients
	identity   Identity
	signedIn   bool
	needsLogin grant.Reason
	err        error // The store or the session store did not answer, and nothing is known; or a gate keeps the user out.
}

type visitKey struct{}

func visitFrom(ctx context.Context) *visit {
	v, _ := ctx.Value(visitKey{}).(*visit)
	return v
}

// NewContext returns a context whose request is signed in as id says: for tests of handlers that
// stand behind [Authenticator.Middleware]. There is no login behind it: [Authenticator.Logins] and [Authenticator.RequireScopes]
// want one, and see a stranger.
func NewContext(ctx context.Context, id Identity) context.Context {
	return context.WithValue(ctx, visitKey{}, &visit{identity: id, signedIn: true})
}

// UserFromContext returns who the request is from, and false if nobody is signed in.
func UserFromContext(ctx context.Context) (User, bool) {
	v := visitFrom(ctx)
	if v == nil || !v.signedIn {
		return User{}, false
	}
	return v.identity.User, true
}

// HTTPClientFromContext returns an HTTP client that acts as the request's user at GitHub's API, and
// false if nobody is signed in: for GraphQL, and for any client library or version of one. It sends
// the token to that API alone, keeps it fresh, and outlives the request.
func HTTPClientFromContext(ctx context.Context) (*http.Client, bool) {
	v := visitFrom(ctx)
	if v == nil || !v.signedIn || v.identity.HTTPClient == nil {
		return nil, false
	}
	return v.identity.HTTPClient, true
}
