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
	host = orGitHub(host)
	return github.NewClient(github.WithHTTPClient(hc), github.WithURLs(&host.API, &host.Upload))
}

// orGitHub is host, or github.com where none is set, as in an [Identity] that a test made.
func orGitHub(host oauth.Host) oauth.Host {
	if host.Name == "" {
		return oauth.GitHub()
	}
	return host
}
