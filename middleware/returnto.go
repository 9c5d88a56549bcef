package middleware

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// maxReturnPath bounds a return path in bytes: it travels in a cookie.
const maxReturnPath = 1024

// localPath returns raw as a path (with its query) of this site, or "" if a browser could take it for
// anything else. Browsers read "//host", "/\host" and either of them with tabs and newlines inside
// as another site, so whatever is unusual is refused rather than repaired.
func localPath(raw string) string {
	if len(raw) > maxReturnPath || !strings.HasPrefix(raw, "/") {
		return ""
	}
	for _, r := range raw {
		if r <= ' ' || r == '\\' || r == 0x7f {
			return ""
		}
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || u.Path == "" {
		return ""
	}
	// The same once more after decoding, for servers and proxies that decode before they redirect.
	if len(u.Path) > 1 && (u.Path[1] == '/' || u.Path[1] == '\\') {
		return ""
	}
	// And once more after a browser has taken /a/.. out: a page that is asked for as //host may redirect to that, less a slash.
	if strings.Contains(u.Path, "/./") || strings.Contains(u.Path, "/../") {
		return ""
	}
	local := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	if to := local.String(); len(to) <= maxReturnPath { // Escaped it can be three times as long, and browsers drop a cookie of 4 KiB.
		return to
	}
	return ""
}

// returnPath is where a sign-in that was asked to end at raw ends.
func (a *Authenticator) returnPath(raw string) string {
	p := localPath(raw)
	if u, err := url.Parse(p); p == "" || err != nil || a.isRoute(path.Clean(u.Path)) {
		return a.cfg.AfterLogin // Back at the login route the visitor would go round in circles.
	}
	return p
}

// here is the path of r as the browser sees it, to come back to after a sign-in.
func (a *Authenticator) here(r *http.Request) string {
	u := url.URL{Path: a.cfg.MountPath + r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.URL.RawPath != "" {
		u.RawPath = a.cfg.MountPath + r.URL.RawPath
	}
	return u.String()
}

// LoginURL returns the path of the login route that leads back to returnTo, a path of this site with
// or without a query. Anything else is replaced by [Config.AfterLogin] when the visitor gets there.
func (a *Authenticator) LoginURL(returnTo string) string {
	if returnTo == "" {
		return a.cfg.LoginPath
	}
	return a.cfg.LoginPath + "?" + url.Values{"return_to": {returnTo}}.Encode()
}

// LogoutPath returns the path that a form posts to for signing out, here or elsewhere: see [Authenticator.Logins].
func (a *Authenticator) LogoutPath() string { return a.cfg.LogoutPath }
