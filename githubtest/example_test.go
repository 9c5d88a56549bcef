package githubtest_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-github/v92/github"
	"golang.org/x/oauth2"

	"github.com/ghlogin/ghlogin/githubtest"
)

// A whole sign-in against the fake, with golang.org/x/oauth2 and go-github. In a test,
// githubtest.Start(t) takes the place of New, Listen and Close.
func ExampleServer() {
	gh := githubtest.New()
	defer gh.Close()
	if err := gh.Listen("127.0.0.1:0"); err != nil {
		fmt.Println(err)
		return
	}
	app := gh.AddApp(githubtest.App{Callbacks: []string{"http://127.0.0.1/callback"}})
	gh.SignInAs("octocat")

	conf := &oauth2.Config{
		ClientID: app.ClientID, ClientSecret: app.Secrets[0], Scopes: []string{"read:user"},
		Endpoint: oauth2.Endpoint{
			AuthURL:   gh.URL() + "/login/oauth/authorize",
			TokenURL:  gh.URL() + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(conf.AuthCodeURL("state"))
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = res.Body.Close()
	callback, err := res.Location()
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := conf.Exchange(context.Background(), callback.Query().Get("code"))
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := github.NewClient(github.WithAuthToken(token.AccessToken), github.WithEnterpriseURLs(gh.URL(), gh.URL()))
	if err != nil {
		fmt.Println(err)
		return
	}
	user, _, err := client.Users.Get(context.Background(), "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(user.GetLogin(), user.GetID(), token.Extra("scope"))
	for _, call := range gh.Calls() {
		fmt.Println(call.Method, call.Path, call.Status)
	}
	// Output:
	// octocat 583231 read:user
	// GET /login/oauth/authorize 302
	// POST /login/oauth/access_token 200
	// GET /api/v3/user 200
}

// A refresh whose answer gets lost: the refresh token is spent, and nobody has the new one.
func ExampleFault() {
	gh := githubtest.New(githubtest.WithApp(githubtest.App{ClientID: "Ov23liExample", Secrets: []string{"secret"}}))
	defer gh.Close()
	gh.Inject(githubtest.Fault{Match: githubtest.MatchGrantType("refresh_token"), Times: 1, LoseAnswer: true})

	conf := &oauth2.Config{
		ClientID: "Ov23liExample", ClientSecret: "secret",
		Endpoint: oauth2.Endpoint{TokenURL: gh.URL() + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams},
	}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: gh.Transport()})
	spent := &oauth2.Token{RefreshToken: gh.IssueToken("Ov23liExample", "octocat").RefreshToken}
	for range 2 {
		_, err := conf.TokenSource(ctx, spent).Token()
		fmt.Println("failed:", err != nil)
	}
	for _, call := range gh.Calls() {
		fmt.Printf("%s %d %q\n", call.GrantType, call.Status, call.OAuthError)
	}
	// Output:
	// failed: true
	// failed: true
	// refresh_token 0 ""
	// refresh_token 200 "bad_refresh_token"
}

// GitHub has two kinds of app. Client ids and secrets are made up in GitHub's form unless given.
func ExampleApp() {
	gh := githubtest.New()
	defer gh.Close()
	bot := gh.AddApp(githubtest.App{Kind: githubtest.GitHubApp, Name: "My bot", NoExpiry: true})
	token := gh.IssueToken(bot.ClientID, "monalisa")
	fmt.Println(bot.Kind, bot.Slug, bot.ClientID[:6], token.AccessToken[:4], token.RefreshToken == "")
	// Output: GitHub App my-bot Iv23li ghu_ true
}

// Accounts of your own take the place of the demo users.
func ExampleUser() {
	gh := githubtest.New(githubtest.WithUser(githubtest.User{
		ID: 1, Login: "octocat", Orgs: []githubtest.OrgMembership{{Org: "octo-org", Role: "admin"}},
	}))
	defer gh.Close()
	web := &http.Client{Transport: gh.Transport()}
	for _, login := range []string{"octocat", "hubot"} {
		res, err := web.Get(gh.APIURL() + "users/" + login)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = res.Body.Close()
		fmt.Println(login, res.StatusCode)
	}
	// Output:
	// octocat 200
	// hubot 404
}
