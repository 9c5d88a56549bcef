// Command echo signs visitors in behind an echo server. It is a module of its own, so that echo is in nobody's go.sum but its
// own.
//
//	cd examples/echo && go run .
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an app with the callback URL http://127.0.0.1:8080/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:8080/
package main

import (
	"context"
	"html/template"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

func main() {
	os.Exit(demo.Server{Name: "echo", App: githubtest.App{Name: "Echo"}}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	auth, err := middleware.NewFromEnv(memory.New(), middleware.WithLogger(site.Log))
	if err != nil {
		return err
	}
	return site.Serve(ctx, routes(auth), auth)
}

func routes(auth *middleware.Authenticator) http.Handler {
	e := echo.New()
	// Pre comes before the router, so that login, callback and logout need no routes of their own.
	e.Pre(echo.WrapMiddleware(auth.Middleware))
	e.GET("/", func(c echo.Context) error {
		user, _ := middleware.UserFromContext(c.Request().Context())
		c.Response().Header().Set("Cache-Control", "no-store")
		c.Response().Header().Set("Content-Type", "text/html; charset=utf-8")
		return home.Execute(c.Response(), map[string]string{
			"Login": user.Login, "SignIn": auth.LoginURL("/me"), "Logout": auth.LogoutPath(),
		})
	})
	// A group without a prefix would take all paths that echo does not know to itself, and have strangers sign in for nothing.
	members := e.Group("/me", echo.WrapMiddleware(auth.Require)) // auth.RequireScopes("repo") goes in the same way.
	members.GET("", func(c echo.Context) error {
		gh, _ := middleware.ClientFromContext(c.Request().Context()) // There behind Require.
		me, _, err := gh.Users.Get(c.Request().Context(), "")
		if err != nil {
			auth.Fail(c.Response(), c.Request(), err)
			return nil
		}
		return c.JSON(http.StatusOK, map[string]any{"id": me.GetID(), "login": me.GetLogin()})
	})
	return e
}

var home = template.Must(template.New("home").Parse(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>echo</title>
{{if .Login}}<p>Hello, {{.Login}}. <a href="/me">Who am I?</a></p>
<form method="post" action="{{.Logout}}"><button>Sign out</button></form>
{{else}}<p><a href="{{.SignIn}}">Sign in with GitHub</a></p>{{end}}
`))
