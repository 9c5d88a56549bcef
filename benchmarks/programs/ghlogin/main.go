// Command ghlogin is the same program as plain, with this library.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/ghlogin/ghlogin/middleware"
	"github.com/ghlogin/ghlogin/oauth"
	"github.com/ghlogin/ghlogin/store/memory"
)

// render shows a page; with the tag template it is made by html/template, as in most programs.
var render = func(w io.Writer, id int64) { _, _ = fmt.Fprintln(w, id) }

func main() {
	began := time.Now()
	once := flag.Bool("once", false, "print how long it took to be ready, and end")
	flag.Parse()
	auth, err := middleware.New(middleware.Config{
		ClientID: "id", ClientSecrets: []oauth.Secret{oauth.NewSecret("secret")}, RedirectURL: "https://app.example/auth/github/callback",
	}, memory.New())
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", auth.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gh, _ := middleware.ClientFromContext(r.Context())
		user, _, err := gh.Users.Get(r.Context(), "")
		if err != nil {
			auth.Fail(w, r, err)
			return
		}
		render(w, user.GetID())
	})))
	server := &http.Server{Addr: "127.0.0.1:8080", Handler: auth.Middleware(mux), ReadHeaderTimeout: 5 * time.Second}
	if *once {
		_, _ = fmt.Println(time.Since(began).Nanoseconds())
		return
	}
	_, _ = fmt.Println(server.ListenAndServe())
}
