package githubtest

import (
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
)

// matchRedirect checks a redirect_uri against the registered callbacks. It returns where a code
// goes, where an error goes, and whether the redirect_uri is right. Errors go to the registered
// callback (GitHub docs, Troubleshooting authorization request errors); a wrong redirect_uri sends
// them to the first one. An app without callbacks has no address for errors, so both are empty.
func (a *app) matchRedirect(redirectURI string) (target, errorTarget string, ok bool) {
	if len(a.Callbacks) == 0 {
		return "", "", false
	}
	if redirectURI == "" {
		return a.Callbacks[0], a.Callbacks[0], true
	}
	for _, callback := range a.Callbacks {
		if a.redirectFits(callback, redirectURI) {
			return redirectURI, a.withLoopbackPort(callback, redirectURI), true
		}
	}
	return "", a.withLoopbackPort(a.Callbacks[0], redirectURI), false
}

// redirectFits applies the rules of both kinds of app.
//
// A GitHub App's redirect_uri equals a callback (GitHub docs, Generating a user access token for a
// GitHub App). An OAuth App's may differ in the port on loopback and, as long as the app has a
// single callback, be below its path or on a sub-domain of its host (GitHub docs, Authorizing OAuth
// apps; community discussion 204963 for apps with several).
func (a *app) redirectFits(callback, redirectURI string) bool {
	if callback == redirectURI {
		return true
	}
	wildcard := a.Wildcard || a.Kind == OAuthApp && len(a.Callbacks) == 1
	if a.Kind == GitHubApp && !wildcard {
		return false
	}
	reg, err := url.Parse(callback)
	if err != nil {
		return false
	}
	req, err := url.Parse(redirectURI)
	if err != nil || req.User != nil || req.Fragment != "" || strings.ContainsAny(redirectURI, "\\#") {
		return false
	}
	if req.Scheme != reg.Scheme || !hostFits(reg, req, wildcard, a.Kind == OAuthApp) {
		return false
	}
	return pathFits(reg.Path, req.Path, wildcard)
}

// hostFits compares hosts. Only an OAuth App's loopback port is free.
func hostFits(reg, req *url.URL, wildcard, freeLoopbackPort bool) bool {
	regHost, reqHost := strings.ToLower(reg.Hostname()), strings.ToLower(req.Hostname())
	if reg.Port() != req.Port() && (!freeLoopbackPort || !isLoopback(regHost)) {
		return false
	}
	return regHost == reqHost ||
		wildcard && net.ParseIP(regHost) == nil && strings.HasSuffix(reqHost, "."+regHost)
}

// pathFits compares paths. Dot segments and doubled slashes are refused, since a browser would
// clean them and end somewhere else.
func pathFits(reg, req string, wildcard bool) bool {
	if reg == req || reg == "" && req == "/" || reg == "/" && req == "" {
		return true
	}
	clean := path.Clean(req)
	if req != clean && req != clean+"/" {
		return false
	}
	return wildcard && strings.HasPrefix(req, strings.TrimSuffix(reg, "/")+"/")
}

// withLoopbackPort puts the port that the app listens on into its registered loopback callback,
// which may lack it.
func (a *app) withLoopbackPort(callback, redirectURI string) string {
	reg, err := url.Parse(callback)
	if err != nil || a.Kind != OAuthApp || !isLoopback(reg.Hostname()) {
		return callback
	}
	req, err := url.Parse(redirectURI)
	if err != nil || req.Hostname() != reg.Hostname() {
		return callback
	}
	reg.Host = req.Host
	return reg.String()
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// addQuery adds parameters to a URL that may have a query already.
func addQuery(target string, params url.Values) string {
	u, err := url.Parse(target)
	if err != nil {
		return target
	}
	q := u.Query()
	for name, values := range params {
		q[name] = slices.Clone(values)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
