package middleware

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxReturnPath bounds a return path in bytes: it travels in a cookie, and browsers keep none above 4 KB.
const maxReturnPath = 1024

// localPath returns raw as a path (with its query) of this site, or "" if a browser could take it for
// anything else. Browsers read "//host", "/\host" and either of them with tabs and newlines inside
// as another site, so whatever is unusual is refused rather than repaired.
func localPath(raw string) string {
	if !utf8.ValidString(raw) || strings.ContainsFunc(raw, notInPaths) || strings.Contains(raw, `\`) {
		return ""
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") {
		return ""
	}
	// The same once more after decoding, for servers and proxies that decode before they redirect. Blanks are no danger
	// there, and names of files have them.
	if strings.ContainsFunc(strings.ReplaceAll(u.Path, " ", ""), notInPaths) {
		return ""
	}
	segments := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' || r == '\\' })
	if len(u.Path) > 1 && (u.Path[1] == '/' || u.Path[1] == '\\') || slices.ContainsFunc(segments, isDots) {
		return "" // A browser takes "/.//host" apart, and asks for "//host".
	}
	local := url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}
	if p := local.String(); len(p) <= maxReturnPath {
		return p
	}
	return ""
}

func notInPaths(r rune) bool { return r <= ' ' || r == 0x7f }

// isDots says whether a browser takes a segment for "." or "..", which it does with their encoded spelling, too, and so with what
// was encoded more than once as soon as a page repeats it.
func isDots(segment string) bool {
	segment = strings.ToLower(segment)
	for strings.Contains(segment, "%25") {
		segment = strings.ReplaceAll(segment, "%25", "%")
	}
	segment = strings.ReplaceAll(segment, "%2e", ".")
	return segment == "." || segment == ".."
}

// returnPath is where a sign-in that was asked to end at raw ends.
func (a *Authenticator) returnPath(raw string) string {
	p := localPath(raw)
	if u, err := url.Parse(p); p == "" || err != nil || a.isRoute(path.Clean(u.Path)) {
		return a.cfg.AfterLogin // Back at the login route the visitor would go round in circles.
	}
	return p
}

// here is the path of r as the browser sees it, to come back to after a sign-in, if it is one: a handler behind no
// [http.ServeMux] is asked for "//host/page", too, which is another site as soon as a redirect repeats it.
func (a *Authenticator) here(r *http.Request) string {
	u := url.URL{Path: a.cfg.MountPath + r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.URL.RawPath != "" {
		u.RawPath = a.cfg.MountPath + r.URL.RawPath
	}
	return a.returnPath(u.String())
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
