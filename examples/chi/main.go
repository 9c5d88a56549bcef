// Command chi signs visitors in behind a chi router: the routes are there for every page, and one group of pages is for
// those who are signed in, where they also see their sign-ins and end them.
//
//	go run ./examples/chi
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an app with the callback URL http://127.0.0.1:8080/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:8080/
package main

import (
	"context"
	"fmt"
	"html/template"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/google/go-github/v92/github"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

func main() {
	os.Exit(demo.Server{Name: "chi", App: githubtest.App{Name: "Chi"}}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	auth, err := middleware.NewFromEnv(memory.New(), middleware.WithLogger(site.Log))
	if err != nil {
		return err
	}
	return site.Serve(ctx, routes(auth), auth)
}

func routes(auth *middleware.Authenticator) http.Handler {
	r := chi.NewRouter()
	// Before the router looks for a page, so that login, callback and logout need no routes of their own.
	r.Use(chimiddleware.Recoverer, auth.Middleware)
	r.Get("/", home(auth))
	r.Group(func(r chi.Router) {
		r.Use(auth.Require) // For this group. For one page: r.With(auth.Require).Get(...)
		r.Get("/repos/{owner}", repos(auth))
		r.Get("/sign-ins", signIns(auth))
	})
	return r
}

var homePage = template.Must(template.New("home").Parse(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>chi</title>
{{if .Login}}<p>Hello, {{.Login}}. <a href="/repos/{{.Login}}">Your repositories</a>, <a href="/sign-ins">your sign-ins</a></p>
<form method="post" action="{{.Logout}}"><button>Sign out</button></form>
{{else}}<p><a href="{{.SignIn}}">Sign in with GitHub</a></p>{{end}}
`))

func home(auth *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.UserFromContext(r.Context()) // Also on pages for everybody.
		w.Header().Set("Cache-Control", "no-store")
		_ = homePage.Execute(w, map[string]string{
			"Login": user.Login, "SignIn": auth.LoginURL("/"), "Logout": auth.LogoutPath(),
		})
	}
}

var signInsPage = template.Must(template.New("sign-ins").Parse(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>Your sign-ins</title>
<h1>Your sign-ins</h1>
<form method="post" action="{{.Logout}}"><input type="hidden" name="return_to" value="/sign-ins">
<ul>{{range .Logins}}<li>{{or .UserAgent "A browser without a name"}}, since {{.Created.Format "2 January 2006"}}, last seen {{.LastSeen.Format "2 January, 15:04 MST"}}
{{if .Current}}(this one){{else}}<button name="end" value="{{.ID}}">End it</button>{{end}}</li>
{{end}}</ul>
<button name="end" value="others">Sign out everywhere else</button> <button name="end" value="all">Sign out everywhere</button></form>
`))

// signIns lists where the user is signed in. What its buttons post, the logout route does.
func signIns(auth *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		logins, err := auth.Logins(r)
		if err != nil {
			auth.Fail(w, r, err)
			return
		}
		_ = signInsPage.Execute(w, map[string]any{"Logins": logins, "Logout": auth.LogoutPath()})
	}
}

// repos lists what the user can see of one owner's.
func repos(auth *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		gh, _ := middleware.ClientFromContext(r.Context()) // There behind Require.
		all, _, err := gh.Repositories.ListByAuthenticatedUser(r.Context(), &github.RepositoryListByAuthenticatedUserOptions{
			ListOptions: github.ListOptions{PerPage: 100},
		})
		if err != nil {
			auth.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		for _, repo := range all {
			if repo.GetOwner().GetLogin() == chi.URLParam(r, "owner") {
				fmt.Fprintln(w, repo.GetFullName())
			}
		}
	}
}
