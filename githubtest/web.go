package githubtest

import "net/http"

// webRoutes are the pages and endpoints of the web host.
func (s *Server) webRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+authorizePath, s.serveAuthorize)
	mux.HandleFunc("POST "+authorizePath, s.decideAuthorize)
	mux.HandleFunc("POST "+tokenPath, s.serveToken)
	mux.HandleFunc("POST /login/device/code", s.refuseDevice)
	mux.HandleFunc("GET /apps/{slug}/installations/new", s.serveInstall)
	mux.HandleFunc("POST /apps/{slug}/installations/new", s.decideInstall)
	mux.HandleFunc("GET /settings/connections/applications/{client_id}", s.serveConnection)
	mux.HandleFunc("POST /settings/connections/applications/{client_id}", s.decideConnection)
	mux.HandleFunc("GET /orgs/{org}/sso", s.serveSSO)
	mux.HandleFunc("GET /_fake/style.css", serveStyle)
	mux.HandleFunc("GET /_fake/avatars/{id}", s.serveAvatar)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		s.showMessage(w, r, http.StatusOK, "A fake GitHub is running",
			"Point an app at this address and sign in from there.")
	})
	mux.HandleFunc("/login/", s.showNotFound)
	mux.HandleFunc("/apps/", s.showNotFound)
	mux.HandleFunc("/settings/", s.showNotFound)
}

// refuseDevice is POST /login/device/code: the device flow is off for every app, as it is at GitHub
// until an owner turns it on.
func (s *Server) refuseDevice(w http.ResponseWriter, r *http.Request) {
	s.note(r, func(c *Call) { c.OAuthError = errNoDeviceFlow })
	writeToken(w, r, tokenAnswer(nil, refuse(errNoDeviceFlow)))
}
