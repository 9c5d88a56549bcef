package main

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/middleware"
)

//go:embed web
var files embed.FS

var (
	homePage  = parse("home.html")
	reposPage = parse("repos.html")
)

func parse(name string) *template.Template {
	return template.Must(template.ParseFS(files, "web/layout.html", "web/"+name))
}

// contentSecurityPolicy lets the pages load their own style sheet and icon, and post to this site.
// Nothing else: no script, no frame, no other site.
const contentSecurityPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// app holds what the handlers need.
type app struct {
	auth *middleware.Authenticator
	fake bool // GitHub is a fake one, which the pages say.
}

// routes returns the site. What stands behind Require is for people who are signed in.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /me", a.auth.Require(http.HandlerFunc(a.me)))
	mux.Handle("GET /repos", a.auth.Require(http.HandlerFunc(a.repos)))
	mux.HandleFunc("GET /style.css", asset("web/style.css"))
	mux.HandleFunc("GET /favicon.svg", asset("web/favicon.svg"))
	return mux
}

// view is what every page shows.
type view struct {
	Title               string
	User                *middleware.User // Nil for a visitor who is not signed in.
	Fake                bool
	LoginURL, LogoutURL string
	Repos               []*github.Repository
	More                bool // There are more repositories than are shown.
}

// Initial is what stands in for a picture of the user.
func (v view) Initial() string {
	first, _ := utf8.DecodeRuneInString(v.DisplayName())
	return string(unicode.ToUpper(first))
}

// DisplayName is the user's name, or their login if they gave none.
func (v view) DisplayName() string {
	if v.User.Name != "" {
		return v.User.Name
	}
	return v.User.Login
}

func (a *app) view(r *http.Request, title string) view {
	v := view{Title: title, Fake: a.fake, LoginURL: a.auth.LoginURL("/"), LogoutURL: a.auth.LogoutPath()}
	if user, ok := middleware.UserFromContext(r.Context()); ok {
		v.User = &user
	}
	return v
}

// home is public, and shows who is signed in.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	show(w, homePage, a.view(r, "Quickstart"))
}

// me answers with what GitHub says about the user and about the token that asks.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
	gh, ok := middleware.ClientFromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	user, resp, err := gh.Users.Get(r.Context(), "")
	if err != nil {
		a.auth.Fail(w, r, err)
		return
	}
	body := struct {
		ID        int64      `json:"id"`
		Login     string     `json:"login"`
		Name      string     `json:"name"`
		Scopes    []string   `json:"scopes"`
		ExpiresAt *time.Time `json:"expires_at"` // Null for a token that does not expire.
	}{
		ID: user.GetID(), Login: user.GetLogin(), Name: user.GetName(),
		Scopes: scopes(resp.Header.Get("X-OAuth-Scopes")),
	}
	if !resp.TokenExpiration.IsZero() {
		expires := resp.TokenExpiration.UTC()
		body.ExpiresAt = &expires
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(body) // The visitor is gone if this fails.
}

// scopes reads GitHub's list of the scopes that a token has. A GitHub App's token has none.
func scopes(header string) []string {
	list := []string{}
	for scope := range strings.SplitSeq(header, ",") {
		if scope = strings.TrimSpace(scope); scope != "" {
			list = append(list, scope)
		}
	}
	return list
}

// repos lists the repositories that the user can see with this token.
func (a *app) repos(w http.ResponseWriter, r *http.Request) {
	gh, ok := middleware.ClientFromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	repos, resp, err := gh.Repositories.ListByAuthenticatedUser(r.Context(), &github.RepositoryListByAuthenticatedUserOptions{
		Sort: "updated", ListOptions: github.ListOptions{PerPage: 100},
	})
	if err != nil {
		a.auth.Fail(w, r, err)
		return
	}
	v := a.view(r, "Your repositories")
	v.Repos, v.More = repos, resp.NextPage != 0
	show(w, reposPage, v)
}

// show writes a page. It is made in memory first, so that a template that fails can't leave half of
// one.
func show(w http.ResponseWriter, page *template.Template, v view) {
	var body bytes.Buffer
	if err := page.ExecuteTemplate(&body, "layout", v); err != nil {
		http.Error(w, "this page can't be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cache-Control", "no-store") // The back button must not show who was signed in.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = body.WriteTo(w)
}

func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=300")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeFileFS(w, r, files, name)
	}
}
