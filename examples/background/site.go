package main

import (
	"html/template"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/ghlogin/ghlogin/middleware"
)

// app is what the site and the worker share: whom to work for. In an app of your own that is a table of numeric user ids,
// since logins are renamed and reused.
type app struct {
	auth *middleware.Authenticator
	out  io.Writer

	mu      sync.Mutex
	watched map[int64]bool
}

func (a *app) all() []int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(maps.Keys(a.watched))
}

func (a *app) watch(id int64, on bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if on {
		a.watched[id] = true
	} else {
		delete(a.watched, id)
	}
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("POST /watch", a.auth.Require(http.HandlerFunc(a.begin)))
	mux.Handle("POST /forget", a.auth.Require(http.HandlerFunc(a.forget)))
	return new(http.CrossOriginProtection).Handler(mux)
}

var page = template.Must(template.New("page").Parse(`<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>background</title>
{{if .Login}}<p>Hello, {{.Login}}.</p>
<form method="post" action="/watch"><button>Work for me while I am away</button></form>
<form method="post" action="{{.Logout}}"><button>Sign out</button></form>
<form method="post" action="/forget"><button>Forget me</button></form>
{{else}}<p><a href="{{.SignIn}}">Sign in with GitHub</a></p>{{end}}
`))

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	user, _ := middleware.UserFromContext(r.Context())
	w.Header().Set("Cache-Control", "no-store")
	_ = page.Execute(w, map[string]string{"Login": user.Login, "SignIn": a.auth.LoginURL("/"), "Logout": a.auth.LogoutPath()})
}

func (a *app) begin(w http.ResponseWriter, r *http.Request) {
	user, _ := middleware.UserFromContext(r.Context())
	a.watch(user.ID, true)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// forget ends all of the user's logins, and revokes the token. The worker finds out in its next round.
func (a *app) forget(w http.ResponseWriter, r *http.Request) {
	user, _ := middleware.UserFromContext(r.Context())
	if err := a.auth.Manager().Forget(r.Context(), user.ID); err != nil {
		a.auth.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
