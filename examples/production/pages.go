package main

import (
	"embed"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/middleware"
)

//go:embed web
var web embed.FS

var pages = template.Must(template.ParseFS(web, "web/*.html"))

// newHandler is the application: replace it by your own.
func newHandler(auth *middleware.Authenticator, log *slog.Logger) http.Handler {
	a := &app{auth: auth, log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /repos", auth.Require(http.HandlerFunc(a.repos)))
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, web, "web/style.css") })
	// Around everything: the log sees what the sign-in answers, too. CrossOriginProtection is for the app's own forms.
	return logged(log, secure(auth.Middleware(http.NewCrossOriginProtection().Handler(mux))))
}

type app struct {
	auth *middleware.Authenticator
	log  *slog.Logger
}

// view is what every page needs, and what one page is about.
type view struct {
	User                  *middleware.User
	Login, Logout, Switch string
	Settings              string
	Repos                 []*github.Repository
}

func (a *app) view(r *http.Request) view {
	v := view{Login: a.auth.LoginURL("/repos"), Logout: a.auth.LogoutPath(), Switch: a.auth.SwitchAccountURL("/repos"), Settings: a.auth.SettingsURL()}
	if user, ok := middleware.UserFromContext(r.Context()); ok {
		v.User = &user
	}
	return v
}

func (a *app) home(w http.ResponseWriter, r *http.Request) { a.render(w, r, "home.html", a.view(r)) }

// repos asks GitHub as the user.
func (a *app) repos(w http.ResponseWriter, r *http.Request) {
	gh, ok := middleware.ClientFromContext(r.Context())
	if !ok {
		http.Error(w, "this page stands behind Require", http.StatusInternalServerError)
		return
	}
	repos, _, err := gh.Repositories.ListByAuthenticatedUser(r.Context(), &github.RepositoryListByAuthenticatedUserOptions{
		Sort: "updated", ListOptions: github.ListOptions{PerPage: 20},
	})
	if err != nil {
		a.auth.Fail(w, r, err)
		return
	}
	v := a.view(r)
	v.Repos = repos
	a.render(w, r, "repos.html", v)
}

func (a *app) render(w http.ResponseWriter, r *http.Request, name string, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Add("Vary", "Cookie")
	w.Header().Set("Cache-Control", "no-store")
	if err := pages.ExecuteTemplate(w, name, v); err != nil {
		a.log.ErrorContext(r.Context(), "a page could not be written", "error", err)
	}
}
