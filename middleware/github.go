package middleware

import (
	"context"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/oauth"
)

// ClientFromContext returns a go-github client that acts as the request's user, and false if nobody
// is signed in. This is the one place of the API that depends on go-github's major version; for
// another, give [HTTPClientFromContext]'s client to its NewClient.
//
// Errors of its calls that are about the sign-in, not about the call, are for
// [Authenticator.Fail].
func ClientFromContext(ctx context.Context) (*github.Client, bool) {
	hc, ok := HTTPClientFromContext(ctx)
	if !ok {
		return nil, false
	}
	host := visitFrom(ctx).identity.Host
	if host.Name == "" {
		host = oauth.GitHub()
	}
	client, err := github.NewClient(github.WithHTTPClient(hc), github.WithURLs(&host.API, &host.Upload))
	return client, err == nil
}
