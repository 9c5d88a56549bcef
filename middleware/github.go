package middleware

import (
	"context"
	"net/http"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/oauth"
)

// ClientFromContext returns a go-github client that acts as the request's user, and false if nobody
// is signed in. This is the one place of the API that depends on go-github's major version; for
// another, give [HTTPClientFromContext]'s client to its NewClient.
//
// All requests of a user share the client, and the rate limits that it remembers; it outlives the request. Don't change its
// fields: its Clone takes options.
//
// Errors of its calls that are about the sign-in, not about the call, are for
// [Authenticator.Fail].
func ClientFromContext(ctx context.Context) (*github.Client, bool) {
	v := visitFrom(ctx)
	if v == nil || !v.signedIn || v.identity.HTTPClient == nil {
		return nil, false
	}
	var client *github.Client
	var err error
	if v.clients != nil {
		client, err = v.clients.forHost(v.identity.Host)
	} else {
		client, err = newGitHubClient(v.identity.HTTPClient, v.identity.Host)
	}
	return client, err == nil
}

func newGitHubClient(hc *http.Client, host oauth.Host) (*github.Client, error) {
	if host.Name == "" {
		host = oauth.GitHub()
	}
	return github.NewClient(github.WithHTTPClient(hc), github.WithURLs(&host.API, &host.Upload))
}
