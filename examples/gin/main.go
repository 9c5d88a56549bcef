// Command gin signs visitors in behind a gin engine. It is a module of its own, so that gin is in nobody's go.sum but its
// own.
//
//	cd examples/gin && go run .
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

	"github.com/gin-gonic/gin"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

func main() {
	os.Exit(demo.Server{Name: "gin", App: githubtest.App{Name: "Gin"}}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	auth, err := middleware.NewFromEnv(memory.New(), middleware.WithLogger(site.Log))
	if err != nil {
		return err
	}
	// Around the engine, so that login, callback and logout need no routes of their own.
	return site.Serve(ctx, auth.Middleware(routes(auth)), auth)
}

func routes(auth *middleware.Authenticator) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.SetHTMLTemplate(pages)
	engine.GET("/", func(c *gin.Context) {
		user, _ := middleware.UserFromContext(c.Request.Context())
		c.Header("Cache-Control", "no-store")
		c.HTML(http.StatusOK, "home", gin.H{"Login": user.Login, "SignIn": auth.LoginURL("/me"), "Logout": auth.LogoutPath()})
	})
	members := engine.Group("/", adapt(auth.Require)) // auth.RequireScopes("repo") goes in the same way.
	members.GET("/me", func(c *gin.Context) {
		gh, _ := middleware.ClientFromContext(c.Request.Context()) // There behind Require.
		me, _, err := gh.Users.Get(c.Request.Context(), "")
		if err != nil {
			auth.Fail(c.Writer, c.Request, err)
			return
		}
		c.JSON(http.StatusOK, gin.H{"id": me.GetID(), "login": me.GetLogin()})
	})
	return engine
}

// adapt makes gin's kind of middleware of net/http's. What it does not pass on, it has answered.
func adapt(mw func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

var pages = template.Must(template.New("home").Parse(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>gin</title>
{{if .Login}}<p>Hello, {{.Login}}. <a href="/me">Who am I?</a></p>
<form method="post" action="{{.Logout}}"><button>Sign out</button></form>
{{else}}<p><a href="{{.SignIn}}">Sign in with GitHub</a></p>{{end}}
`))
