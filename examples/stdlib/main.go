// Command stdlib adds signing in to an app that is there already: a net/http one below the path /app, with scs sessions and
// data of its own in them. Both share one session and one cookie.
//
//	go run ./examples/stdlib
//
// With nothing set it signs in at a fake GitHub of its own, offline. To use a real one, set GITHUB_CLIENT_ID and
// GITHUB_CLIENT_SECRET of an app with the callback URL http://127.0.0.1:8080/app/auth/github/callback. It prints:
//
//	Open http://127.0.0.1:8080/app/
package main

import (
	"context"
	"html/template"
	"net/http"
	"os"
	"strings"

	"github.com/alexedwards/scs/v2"

	"github.com/ghlogin/ghlogin/githubtest"
	"github.com/ghlogin/ghlogin/internal/demo"
	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/store/memory"
)

const prefix = "/app"

func main() {
	os.Exit(demo.Server{Name: "stdlib", App: githubtest.App{Name: "Stdlib"}, Path: prefix}.Main(run))
}

func run(ctx context.Context, site demo.Site) error {
	cfg, err := middleware.ConfigFromEnv()
	if err != nil {
		return err
	}
	cfg.MountPath = prefix // What StripPrefix takes off below. All other paths are as the browser sees them.

	// The app's own sessions. New refuses a cookie without Secure where the redirect URL is https.
	sessions := scs.New()
	sessions.Cookie.Secure = strings.HasPrefix(cfg.RedirectURL, "https:")
	auth, err := middleware.New(cfg, memory.New(), middleware.WithLogger(site.Log), middleware.WithSessionManager(sessions))
	if err != nil {
		return err
	}
	app := &app{sessions: sessions, auth: auth}
	mux := http.NewServeMux()
	mux.Handle(prefix+"/", http.StripPrefix(prefix, auth.Middleware(sessions.LoadAndSave(app.routes()))))
	return site.Serve(ctx, mux, auth)
}

// app is what was there before: a shop whose visitors fill a basket before anybody asks who they are.
type app struct {
	sessions *scs.SessionManager
	auth     *middleware.Authenticator
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /basket", a.add)
	mux.Handle("GET /checkout", a.auth.Require(http.HandlerFunc(a.home)))
	return new(http.CrossOriginProtection).Handler(mux) // No other site can fill a basket.
}

var page = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>stdlib</title>
<p>{{with .Login}}Hello, {{.}}.{{else}}Nobody is signed in.{{end}} In your basket: {{.Basket}}.</p>
<form method="post" action="{{.Prefix}}/basket"><button>Add one</button></form>
{{if .Login}}<form method="post" action="{{.Logout}}"><button>Sign out</button></form>
{{else}}<p><a href="{{.Prefix}}/checkout">Check out</a></p>{{end}}
`))

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	user, _ := middleware.UserFromContext(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, map[string]any{
		"Login": user.Login, "Basket": a.sessions.GetInt(r.Context(), "basket"), "Prefix": prefix, "Logout": a.auth.LogoutPath(),
	})
}

func (a *app) add(w http.ResponseWriter, r *http.Request) {
	a.sessions.Put(r.Context(), "basket", a.sessions.GetInt(r.Context(), "basket")+1)
	http.Redirect(w, r, prefix+"/", http.StatusSeeOther)
}
