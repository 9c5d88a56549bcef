package githubtest

import (
	"crypto/rand"
	"net/http"
	"time"
)

// sessionCookie remembers who is signed in at the fake GitHub. Cookies ignore ports, so the name
// must not meet one of the app under test on the same host.
const sessionCookie = "fakegithub_session"

// formLife is how long an open page can still be answered.
const formLife = 30 * time.Minute

// pendingForm is a page with a form that is open in a browser. Its hidden random value stands for
// the request, so that nothing can be changed in the browser and another site can't post it.
type pendingForm struct {
	authorize *authorization
	install   *app
	revoke    *app
	expires   time.Time
}

// openForm remembers a form and returns its hidden value; s.mu is held.
func (s *Server) openForm(f pendingForm) string {
	now := time.Now()
	for id, old := range s.state.forms {
		if !now.Before(old.expires) {
			delete(s.state.forms, id)
		}
	}
	f.expires = now.Add(formLife)
	id := rand.Text()
	s.state.forms[id] = &f
	return id
}

// takeForm returns the form that a browser answers, or nil. It works once. s.mu is held.
func (s *Server) takeForm(r *http.Request) *pendingForm {
	id := r.PostFormValue("form")
	f := s.state.forms[id]
	delete(s.state.forms, id)
	if f == nil || !time.Now().Before(f.expires) {
		return nil
	}
	return f
}

// browserUser returns who is signed in here in this browser, or nil; s.mu is held.
func (s *Server) browserUser(r *http.Request) *user {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	return s.users[s.state.sessions[c.Value]]
}

// rememberBrowser signs the user in here in this browser; s.mu is held.
func (s *Server) rememberBrowser(w http.ResponseWriter, u *user) {
	id := rand.Text()
	s.state.sessions[id] = u.ID
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // not Secure: the fake speaks plain HTTP on loopback
		Name: sessionCookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
