package githubtest

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

//go:embed pages
var pageFiles embed.FS

// parsePages reads one template per page, each in the common frame.
func parsePages() map[string]*template.Template {
	pages := map[string]*template.Template{}
	for _, name := range []string{"authorize", "install", "connection", "message"} {
		pages[name] = template.Must(template.ParseFS(pageFiles, "pages/frame.html", "pages/"+name+".html"))
	}
	return pages
}

// page is what a template shows.
type page struct {
	template string
	// Title is the window's title and the page's headline.
	Title string
	// Text is the sentence below it on a message page.
	Text string
	// App is the app's name.
	App string
	// Form is the hidden value of the form.
	Form string
	// Users can be chosen; one of them is Checked.
	Users []pageUser
	// Grants says in words what the app asks for.
	Grants []string
	// Back is the host that the browser goes back to.
	Back string
	// User is the login of who is signed in.
	User string
	// Signup offers a new account.
	Signup bool

	formTargets []string // where the form's answer may redirect to
}

type pageUser struct {
	Login, Name string
	Checked     bool
}

// scopeWords says what scopes are for. Others are shown by their name.
var scopeWords = map[string]string{
	"user":       "Read and change the whole profile",
	"read:user":  "Read the whole profile, private parts too",
	"user:email": "Read the e-mail addresses",
	"repo":       "Read and change all repositories, private ones too",
	"read:org":   "Read organizations and teams",
	"gist":       "Write gists",
}

// authorizePage fills the page for an authorize request; s.mu is held.
func (s *Server) authorizePage(r *http.Request, req *authorization) page {
	p := page{
		template: "authorize", Title: "Sign in to " + req.app.Name, App: req.app.Name, Signup: req.allowSignup,
		Form: s.openForm(pendingForm{authorize: req}), formTargets: []string{req.redirectURI, req.errorURI},
	}
	if u, err := url.Parse(req.redirectURI); err == nil {
		p.Back = u.Host
	}
	p.Users = s.pageUsers(r, req.login)
	for _, scope := range req.scopes {
		words := scopeWords[scope]
		if words == "" {
			words = "Use the scope " + scope
		} else {
			words += " (" + scope + ")"
		}
		p.Grants = append(p.Grants, words)
	}
	if len(p.Grants) == 0 {
		p.Grants = []string{"Know who you are, and read what is public"}
	}
	return p
}

// pageUsers lists the accounts with the hinted one, the one who is signed in, or the first one
// checked; s.mu is held.
func (s *Server) pageUsers(r *http.Request, hint string) []pageUser {
	chosen := s.userByLogin(hint)
	if chosen == nil {
		chosen = s.browserUser(r)
	}
	var users []pageUser
	for i, id := range s.userOrder {
		u := s.users[id]
		users = append(users, pageUser{u.Login, u.Name, u == chosen || chosen == nil && i == 0})
	}
	return users
}

func (s *Server) showNotFound(w http.ResponseWriter, r *http.Request) {
	s.showMessage(w, r, http.StatusNotFound, "Page not found",
		"There is nothing at this address. If an app sent you here, its client ID is unknown to this server.")
}

func (s *Server) showStaleForm(w http.ResponseWriter, r *http.Request) {
	s.showMessage(w, r, http.StatusUnprocessableEntity, "This page is too old",
		"It was answered before, or it was open for more than half an hour. Go back to the app and start again.")
}

func (s *Server) showMessage(w http.ResponseWriter, r *http.Request, status int, title, text string) {
	s.show(w, r, status, page{template: "message", Title: title, Text: text})
}

// show writes a page. Nothing on it may load, run or post anywhere but here; the form's answer may
// lead back to the app, which Chromium counts as a form action.
func (s *Server) show(w http.ResponseWriter, _ *http.Request, status int, p page) {
	var body bytes.Buffer
	if err := s.pages[p.template].ExecuteTemplate(&body, "frame", p); err != nil {
		http.Error(w, "the page can't be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action "+formAction(p.formTargets)+
		"; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// plainHost is a host that can stand in a policy as it is. Anything else, an IPv6 address for
// example, is not a valid host there and could even end the directive.
var plainHost = regexp.MustCompile(`^[a-zA-Z0-9.-]+(:[0-9]+)?$`)

// plainScheme is what a scheme may look like in a policy.
var plainScheme = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*$`)

// formAction lists this server and the origins of the targets.
func formAction(targets []string) string {
	sources := []string{"'self'"}
	for _, target := range targets {
		u, err := url.Parse(target)
		if err != nil || !plainScheme.MatchString(u.Scheme) {
			continue
		}
		source := u.Scheme + ":"
		if plainHost.MatchString(u.Host) {
			source += "//" + u.Host
		}
		if !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	return strings.Join(sources, " ")
}

// serveStyle serves the style sheet.
func serveStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=300")
	http.ServeFileFS(w, r, pageFiles, "pages/style.css")
}
