package oauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ghlogin/ghlogin/oauth"
)

// offline returns a client of a GitHub that answers every request with body.
func offline(body string) *oauth.Client {
	gitHub := roundTrip(func(*http.Request) (*http.Response, error) { return answered(http.StatusOK, body), nil })
	client, err := oauth.New(oauth.Config{
		ClientID:      "Iv23liExample",
		ClientSecrets: []oauth.Secret{oauth.NewSecret("client-secret")},
		RedirectURL:   "https://app.example/auth/github/callback",
	}, oauth.WithHTTPClient(&http.Client{Transport: gitHub}))
	if err != nil {
		panic(err)
	}
	return client
}

func ExampleNew() {
	_, err := oauth.New(oauth.Config{ClientID: "12345", RedirectURL: "http://app.example/callback"})
	fmt.Println(err)
	// Output:
	// oauth: client id: 12345 looks like a github app's App ID: write the Client ID, which is beside it
	// client secret: generate one on the app's page in github's settings
	// redirect url: http would send secrets in the clear: write https, as in https://app.example; http is for loopback addresses such as 127.0.0.1
}

func ExampleClient_AuthorizeURL() {
	client := offline("")
	state, verifier := oauth.NewState(), oauth.NewVerifier() // Keep both until the visitor is back.
	address, err := client.AuthorizeURL(oauth.Authorize{State: state, Verifier: verifier, Scopes: []string{"read:user"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(address)
	fmt.Println(u.Host+u.Path, u.Query().Get("scope"), u.Query().Get("code_challenge_method"))
	// Output: github.com/login/oauth/authorize read:user S256
}

func ExampleClient_Exchange() {
	client := offline(`{"access_token":"gho_example","scope":"read:user,gist","token_type":"bearer"}`)
	token, err := client.Exchange(context.Background(), "code from the callback", oauth.NewVerifier())
	fmt.Println(token.AccessToken, token.Scopes, token.Expires(), err)
	// Output: REDACTED [read:user gist] false <nil>
}

func ExampleClient_Refresh() {
	client := offline(`{"error":"bad_refresh_token","error_description":"The refresh token passed is incorrect or expired."}`)
	_, err := client.Refresh(context.Background(), oauth.Token{RefreshToken: oauth.NewSecret("ghr_example")})
	switch {
	case errors.Is(err, oauth.ErrSignInAgain):
		fmt.Println("another process refreshed it, or the user must sign in again")
	case errors.Is(err, oauth.ErrTryLater), errors.Is(err, oauth.ErrMisconfigured):
		fmt.Println("keep the token")
	}
	// Output: another process refreshed it, or the user must sign in again
}

func ExampleClient_User() {
	client := offline(`{"id":583231,"login":"octocat","name":"The Octocat"}`)
	user, err := client.User(context.Background(), oauth.NewSecret("gho_example"))
	fmt.Println(user.ID, user.Login, user.Name, err)
	// Output: 583231 octocat The Octocat <nil>
}

func ExampleError() {
	client := offline(`{"error":"redirect_uri_mismatch","error_description":"Words of GitHub."}`)
	_, err := client.Exchange(context.Background(), "code", oauth.NewVerifier())
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		fmt.Println(e.Code, errors.Is(err, oauth.ErrMisconfigured), e.Unknown)
	}
	fmt.Println(err)
	// Output:
	// redirect_uri_mismatch true false
	// exchange: redirect_uri_mismatch: status 200: register the redirect url with the app at github, letter by letter (github says "Words of GitHub."); correct the app's settings
}

func ExampleCallbackError() {
	q, _ := url.ParseQuery("error=access_denied&error_description=The+user+has+denied+your+application+access.&state=s")
	fmt.Println(oauth.CallbackError(q))
	// Output: callback: access_denied: the user refused; start the sign-in again
}

func ExampleHostFromURL() {
	for _, web := range []string{"", "https://octo.ghe.com", "https://git.example.com", "git.example.com"} {
		host, err := oauth.HostFromURL(web)
		fmt.Println(host.Name, host.API, err)
	}
	// Output:
	// github.com https://api.github.com/ <nil>
	// octo.ghe.com https://api.octo.ghe.com/ <nil>
	// git.example.com https://git.example.com/api/v3/ <nil>
	//   github url: write the whole URL with its scheme, such as https://HOST
}

func ExampleSecret() {
	secret := oauth.NewSecret("hush")
	fmt.Printf("%v %q %+v\n", secret, secret, oauth.Config{ClientSecrets: []oauth.Secret{secret}}.ClientSecrets)
	fmt.Println(secret.Equal(oauth.NewSecret("hush")), oauth.Secret{}.Equal(oauth.NewSecret("")), secret.Reveal())
	// Output:
	// REDACTED REDACTED [REDACTED]
	// true false hush
}

func ExampleToken() {
	token := oauth.Token{
		AccessToken:  oauth.NewSecret("ghu_example"),
		RefreshToken: oauth.NewSecret("ghr_example"),
		Expiry:       time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC),
	}
	fmt.Println(token.Expires(), token.ExpiredAt(time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)), token.Refreshable())
	fmt.Println(token.AccessToken)
	// Output:
	// true true true
	// REDACTED
}
