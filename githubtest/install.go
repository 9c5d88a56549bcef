package githubtest

import (
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// installation is a GitHub App's installation on a user's account.
type installation struct {
	id               int64
	clientID         string
	userID           int64
	created, updated time.Time
}

// serveInstall is GET /apps/SLUG/installations/new, the page from which a GitHub App is installed.
func (s *Server) serveInstall(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a := s.appBySlug(r.PathValue("slug"))
	if a == nil {
		s.mu.Unlock()
		s.showNotFound(w, r)
		return
	}
	entryOf(r).ClientID = a.ClientID
	if u := s.users[s.autoUser]; u != nil {
		target := s.install(a, u, entryOf(r))
		s.mu.Unlock()
		redirect(w, target)
		return
	}
	p := page{
		template: "install", Title: "Install " + a.Name, App: a.Name, Users: s.pageUsers(r, ""),
		Form: s.openForm(pendingForm{install: a}), formTargets: a.Callbacks,
	}
	s.mu.Unlock()
	s.show(w, r, http.StatusOK, p)
}

// decideInstall is the answer to that page.
func (s *Server) decideInstall(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	form := s.takeForm(r)
	u := s.userByLogin(r.PostFormValue("user"))
	switch {
	case form == nil || form.install == nil || u == nil:
		s.mu.Unlock()
		s.showStaleForm(w, r)
	case r.PostFormValue("action") != "authorize":
		s.mu.Unlock()
		s.showMessage(w, r, http.StatusOK, "Nothing was installed", "You can close this page.")
	default:
		target := s.install(form.install, u, entryOf(r))
		s.rememberBrowser(w, u)
		s.mu.Unlock()
		redirect(w, target)
	}
}

// install installs the app and returns where GitHub sends the browser then: to the first callback,
// with a code that the app didn't ask for and without any state (GitHub docs, Generating a user
// access token, "Request user authorization during installation"). Whoever has the app installed
// already comes back without a code. s.mu is held.
func (s *Server) install(a *app, u *user, entry *Call) string {
	entry.ClientID = a.ClientID
	s.noteUser(entry, u.ID)
	if len(a.Callbacks) == 0 {
		return s.base + "/"
	}
	key := grantKey{a.ClientID, u.ID}
	now := time.Now()
	inst := s.state.installs[key]
	if inst != nil {
		inst.updated = now
		return addQuery(a.Callbacks[0], url.Values{
			"installation_id": {strconv.FormatInt(inst.id, 10)}, "setup_action": {"update"},
		})
	}
	s.state.lastInstallID++
	inst = &installation{id: s.state.lastInstallID, clientID: a.ClientID, userID: u.ID, created: now, updated: now}
	s.state.installs[key] = inst
	s.grantScopes(a, u.ID, nil)
	return addQuery(a.Callbacks[0], url.Values{
		"code":            {s.newCode(code{clientID: a.ClientID, userID: u.ID, redirectURI: a.Callbacks[0]})},
		"installation_id": {strconv.FormatInt(inst.id, 10)},
		"setup_action":    {"install"},
	})
}

// serveConnection is GET /settings/connections/applications/CLIENT_ID, where users look at an app's
// access and revoke it (GitHub docs, Authorizing OAuth apps, on the link that apps may show).
func (s *Server) serveConnection(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a, u := s.apps[r.PathValue("client_id")], s.browserUser(r)
	if a == nil {
		s.mu.Unlock()
		s.showNotFound(w, r)
		return
	}
	if u == nil || s.state.grants[grantKey{a.ClientID, u.ID}] == nil {
		name := a.Name
		s.mu.Unlock()
		s.showMessage(w, r, http.StatusNotFound, "Nothing to revoke", "Nobody is signed in here in this browser, or they have not authorized "+name+
			". Sign in to the app first, by the page of this server: SignInAs and -sign-in-as leave out that page, and with it who the browser is.")
		return
	}
	p := page{
		template: "connection", Title: "Access of " + a.Name, App: a.Name, User: u.Login,
		Form: s.openForm(pendingForm{revoke: a}), Grants: s.state.grants[grantKey{a.ClientID, u.ID}].scopes,
	}
	s.mu.Unlock()
	s.show(w, r, http.StatusOK, p)
}

// decideConnection revokes the app's access.
func (s *Server) decideConnection(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	form, u := s.takeForm(r), s.browserUser(r)
	if form == nil || form.revoke == nil || u == nil {
		s.mu.Unlock()
		s.showStaleForm(w, r)
		return
	}
	key, done := grantKey{form.revoke.ClientID, u.ID}, form.revoke.Name+" can no longer act for "+u.Login+"."
	s.mu.Unlock()
	s.RevokeUser(key.clientID, key.userID)
	s.showMessage(w, r, http.StatusOK, "Access revoked", done)
}
