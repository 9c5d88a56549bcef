// Command plain is what a program is that has go-github, x/oauth2 and scs without this library: the measure of what that adds.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/google/go-github/v92/github"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/endpoints"
)

// render shows a page; with the tag template it is made by html/template, as in most programs.
var render = func(w io.Writer, id int64) { _, _ = fmt.Fprintln(w, id) }

func main() {
	began := time.Now()
	once := flag.Bool("once", false, "print how long it took to be ready, and end")
	flag.Parse()
	cfg := oauth2.Config{ClientID: "id", ClientSecret: "secret", RedirectURL: "https://app.example/callback", Endpoint: endpoints.GitHub}
	sessions := scs.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, cfg.AuthCodeURL("state"), http.StatusFound)
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		token, err := cfg.Exchange(r.Context(), r.URL.Query().Get("code"))
		if err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		gh, err := github.NewClient(github.WithHTTPClient(cfg.Client(r.Context(), token)))
		if err != nil {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		user, _, err := gh.Users.Get(r.Context(), "")
		if err != nil {
			http.Error(w, "no", http.StatusBadGateway)
			return
		}
		sessions.Put(r.Context(), "login", user.GetLogin())
		render(w, user.GetID())
	})
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: sessions.LoadAndSave(mux), ReadHeaderTimeout: 5 * time.Second}
	if *once {
		_, _ = fmt.Println(time.Since(began).Nanoseconds())
		return
	}
	_, _ = fmt.Println(server.ListenAndServe())
}
