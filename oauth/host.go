package oauth

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Host is one GitHub: github.com, an Enterprise Server, or a tenant of GHE.com. It says where its pages
// and APIs are. It is a plain value; make it with GitHub or HostFromURL, and change an address in it
// where yours differs.
type Host struct {
	// Name is the host's name in lower case, with the port if it isn't the scheme's own, for example
	// "github.com". It is that of Web, and goes into the keys of stores.
	Name string

	// Web is the root of the web site, without a slash at the end, for example "https://github.com". The
	// sign-in page and the token endpoint are below it.
	Web string

	// API is the root of the REST API, with a slash at the end, for example "https://api.github.com/".
	API string

	// Upload is the root of the API for uploads, with a slash at the end, for example
	// "https://uploads.github.com/".
	Upload string

	// NoPKCE gives up the protection of the code by a verifier (PKCE). Set it only for an Enterprise
	// Server that refuses to sign in with it: GitHub documents PKCE for github.com and GHE.com alone,
	// and a server that doesn't know it should ignore it, which is an inference.
	NoPKCE bool
}

// GitHub returns the Host of github.com.
func GitHub() Host {
	return Host{
		Name:   "github.com",
		Web:    "https://github.com",
		API:    "https://api.github.com/",
		Upload: "https://uploads.github.com/",
	}
}

// HostFromURL returns the Host whose web site is at the URL web:
//
//   - "" and https://github.com are github.com;
//   - https://SUBDOMAIN.ghe.com is that tenant of GHE.com, whose API is at https://api.SUBDOMAIN.ghe.com/
//     (GitHub docs, Feature overview for GitHub Enterprise Cloud with data residency); that uploads go to
//     https://uploads.SUBDOMAIN.ghe.com/ is an inference;
//   - any other is an Enterprise Server, whose API is at https://HOST/api/v3/ (GitHub docs, Getting
//     started with the REST API, for Enterprise Server).
//
// The API's address in place of the web site's is understood too. The URL has the scheme https, or http
// on a loopback host, and nothing behind the host; the error of one that hasn't says what to write.
func HostFromURL(web string) (Host, error) {
	if web == "" {
		return GitHub(), nil
	}
	u, err := parseBase(web)
	if err != nil {
		return Host{}, fmt.Errorf("github url: %w", err)
	}
	if path := strings.TrimSuffix(u.Path, "/"); path != "" && path != "/api/v3" {
		return Host{}, fmt.Errorf("github url: the path %.50q doesn't belong there: write https://HOST only", u.Path)
	}
	name := u.Host
	switch {
	case name == "github.com" || name == "www.github.com" || name == "api.github.com":
		return GitHub(), nil
	case isBelow(u.Hostname(), "github.com"):
		return Host{}, fmt.Errorf("github url: %s is no github of its own: write https://github.com", name)
	case isBelow(u.Hostname(), "ghe.com"):
		return tenant(u)
	}
	root := u.Scheme + "://" + name
	return Host{Name: name, Web: root, API: root + "/api/v3/", Upload: root + "/api/uploads/"}, nil
}

// tenant returns the Host of a tenant of GHE.com.
func tenant(u *url.URL) (Host, error) {
	sub := strings.TrimPrefix(strings.TrimSuffix(u.Host, ".ghe.com"), "api.")
	if u.Scheme != "https" || u.Port() != "" || u.Host == "ghe.com" || sub == "api" || strings.Contains(sub, ".") {
		return Host{}, fmt.Errorf("github url: %s is no tenant of ghe.com: write https://SUBDOMAIN.ghe.com", u.Host)
	}
	name := sub + ".ghe.com"
	return Host{
		Name:   name,
		Web:    "https://" + name,
		API:    "https://api." + name + "/",
		Upload: "https://uploads." + name + "/",
	}, nil
}

// Validate returns all that is wrong with h in one error, or nil.
func (h Host) Validate() error {
	var errs []error
	if web, err := parseBase(h.Web); err != nil {
		errs = append(errs, fmt.Errorf("host: Web: %w", err))
	} else {
		if web.Path != "" {
			errs = append(errs, errors.New("host: Web: write it without a path and without a slash at the end"))
		}
		if h.Name != web.Host {
			errs = append(errs, fmt.Errorf("host: Name is %.100q: write %q, the host of Web in lower case", h.Name, web.Host))
		}
	}
	for _, api := range []struct{ field, base string }{{"API", h.API}, {"Upload", h.Upload}} {
		if u, err := parseBase(api.base); err != nil {
			errs = append(errs, fmt.Errorf("host: %s: %w", api.field, err))
		} else if !strings.HasSuffix(u.Path, "/") {
			errs = append(errs, fmt.Errorf("host: %s: write it with a slash at the end", api.field))
		}
	}
	return errors.Join(errs...)
}

// IsAPI reports whether a user's token may be sent to u: whether it has the scheme, host and port of API
// or Upload. It is false for wherever else a redirect, or a link in an answer, may lead.
func (h Host) IsAPI(u *url.URL) bool {
	if u == nil || u.Host == "" {
		return false
	}
	for _, base := range []string{h.API, h.Upload} {
		if b, err := url.Parse(base); err == nil && origin(b) == origin(u) {
			return true
		}
	}
	return false
}

// GraphQLURL returns the address of the GraphQL API. It stands beside the REST API: at https://HOST/api/graphql on an
// Enterprise Server, whose REST API is below /api/v3/, and else at https://api.HOST/graphql (GitHub docs, "Forming calls
// with GraphQL", for each of them).
func (h Host) GraphQLURL() string {
	if root, ok := strings.CutSuffix(h.API, "/v3/"); ok {
		return root + "/graphql"
	}
	return h.API + "graphql"
}

// SettingsURL returns the address of the page where users review and revoke what they granted to the
// app with the given client id (GitHub docs, Authorizing OAuth apps, "Directing users to review their
// access").
func (h Host) SettingsURL(clientID string) string {
	return h.Web + "/settings/connections/applications/" + url.PathEscape(clientID)
}

// origin returns the scheme, host and port of u in one spelling.
func origin(u *url.URL) string {
	return strings.ToLower(u.Scheme) + "://" + canonicalHost(u)
}

// canonicalHost returns the host of u in lower case, with the port if it isn't the scheme's own.
func canonicalHost(u *url.URL) string {
	host, port := lowerASCII(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	scheme := strings.ToLower(u.Scheme)
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return host
	}
	return host + ":" + port
}

// lowerASCII leaves other letters alone. strings.ToLower takes U+0130, a dotted capital I, for an i,
// which the name system does not: a token would go to whoever owns that name.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

var hostName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// parseBase parses the root of a site, and returns it with its host in one spelling. Its errors say what
// to write; they repeat no more of the URL than is surely not a password.
func parseBase(raw string) (*url.URL, error) {
	u, err := parseWeb(raw)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return nil, errors.New("remove the query, which starts at the question mark")
	}
	u.Host = canonicalHost(u)
	return u, nil
}

// parseWeb parses an absolute URL that a browser may be sent to: https, or http on a loopback host, where
// nobody listens on the way; no user info and no fragment.
func parseWeb(raw string) (*url.URL, error) {
	// The error of url.Parse repeats the URL, which may hold a password.
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("write a URL, such as https://HOST")
	case err != nil:
		return nil, errors.New("it is not a URL: write one such as https://HOST")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("write the whole URL with its scheme, such as https://HOST")
	case u.User != nil:
		return nil, errors.New("remove the user and password in front of the @")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		return nil, errors.New("remove the fragment, which starts at the #")
	}
	host := strings.ToLower(u.Hostname())
	addr, err := netip.ParseAddr(host)
	if isIP := err == nil && addr.Zone() == ""; !isIP && !hostName.MatchString(host) {
		return nil, fmt.Errorf("%.100q is not a host name in ASCII: write it as DNS has it, without a dot at the end", host)
	}
	if port := u.Port(); port != "" || strings.HasSuffix(u.Host, ":") {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port {
			return nil, fmt.Errorf("%.20q is not a port: write a number from 1 to 65535", port)
		}
	}
	if u.Scheme == "http" && !isLoopback(host) {
		return nil, fmt.Errorf("http would send secrets in the clear: write https, as in https://%s; http is for loopback addresses such as 127.0.0.1", u.Host)
	}
	return u, nil
}

// isBelow reports whether host is domain or a sub-domain of it.
func isBelow(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// isLoopback reports whether host means this machine: 127.0.0.0/8, ::1 or localhost.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}
