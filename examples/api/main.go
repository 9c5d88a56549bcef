// Command api is an API with a single-page front end: a script that is not signed in gets 401 and problem JSON, and its page
// offers to sign in, by a redirect or in a window of its own. One call needs more access than a sign-in asks for.
//
//	go run ./examples/api
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an OAuth App with the callback URL http://127.0.0.1:8080/auth/github/callback; a GitHub App has
// no scopes. It prints:
//
//	Open http://127.0.0.1:8080/
//
// This file is the API, web/app.js the page's part.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

//go:embed web
var files embed.FS

func main() {
	os.Exit(demo.Server{Name: "api", App: githubtest.App{Name: "API"}}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	auth, err := middleware.NewFromEnv(memory.New(), middleware.WithLogger(site.Log))
	if err != nil {
		return err
	}
	web, err := fs.Sub(files, "web")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", page(http.FileServerFS(web)))
	mux.Handle("GET /api/me", auth.Require(me(auth)))
	mux.Handle("GET /api/orgs", auth.RequireScopes("read:org")(orgs(auth)))
	return site.Serve(ctx, auth.Middleware(mux), auth)
}

// me says who is signed in, and where to sign out, so that the script needs to know no path but /api's.
func me(auth *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, _ := middleware.UserFromContext(r.Context()) // There behind Require.
		answer(w, map[string]string{"login": user.Login, "name": user.Name, "logout_url": auth.LogoutPath()})
	}
}

// orgs lists the user's organizations, which GitHub tells only with the scope read:org.
func orgs(auth *middleware.Authenticator) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		gh, _ := middleware.ClientFromContext(r.Context())
		all, _, err := gh.Organizations.List(r.Context(), "", nil)
		if err != nil {
			auth.Fail(w, r, err) // Problem JSON, too.
			return
		}
		names := []string{}
		for _, org := range all {
			names = append(names, org.GetLogin())
		}
		answer(w, names)
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(body) // The visitor is gone if this fails.
}

// page lets the front end load its own files and call its own server, and nothing else.
func page(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'none'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}
