// Package browserurl knows what a browser makes of an address: which site a Location header or a link leads to. Tests hold
// the library's return paths against it, and a real browser holds it, in turn. It shares no code with the library and
// none with net/url, whose reading is another than a browser's.
package browserurl

import "strings"

// Place is where a reference leads.
type Place struct {
	Scheme string // In lower case.
	Site   string // What stands between "//" and the path: user, host and port. "" if the scheme has none.
	Path   string // Without dot segments; what follows the scheme if that has no site.
}

// special are the schemes for which a browser reads a backslash as a slash, and their default ports.
var special = map[string]string{"https": ":443", "http": ":80", "wss": ":443", "ws": ":80", "ftp": ":21"}

// Resolve returns where ref leads from a page at https://site/path, by the URL Standard's parser (WHATWG, "URL parsing"). It
// says no more of a host than its text: it decodes no percent-encoding and no punycode, since no such text is the site's own.
func Resolve(site, path, ref string) Place {
	// Leading and trailing blanks and control characters are dropped, tabs and line breaks everywhere.
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	ref = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(ref)

	scheme, rest := cutScheme(ref)
	switch {
	case scheme == "":
		scheme = "https"
	case special[scheme] == "":
		return Place{Scheme: scheme, Path: rest} // javascript:, data:, file: and the like.
	case scheme != "https" || strings.HasPrefix(rest, "//"):
		return authority(scheme, rest)
	}
	if len(rest) > 1 && isSlash(rest[0]) && isSlash(rest[1]) {
		return authority(scheme, rest)
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i]
	}
	switch {
	case rest == "":
		rest = path
	case !isSlash(rest[0]):
		rest = path[:strings.LastIndexByte(path, '/')+1] + rest
	}
	return Place{Scheme: scheme, Site: site, Path: withoutDots(rest)}
}

// authority reads what follows the scheme, however many slashes stand there.
func authority(scheme, rest string) Place {
	rest = strings.TrimLeft(rest, `/\`)
	end := strings.IndexAny(rest, `/\?#`)
	if end < 0 {
		end = len(rest)
	}
	path := rest[end:]
	if i := strings.IndexAny(path, "?#"); i >= 0 {
		path = path[:i]
	}
	return Place{Scheme: scheme, Site: strings.TrimSuffix(strings.ToLower(rest[:end]), special[scheme]), Path: withoutDots(path)}
}

func cutScheme(ref string) (scheme, rest string) {
	for i, c := range []byte(ref) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		switch {
		case letter, i > 0 && (c == '+' || c == '-' || c == '.' || '0' <= c && c <= '9'):
		case c == ':' && i > 0:
			return strings.ToLower(ref[:i]), ref[i+1:]
		default:
			return "", ref
		}
	}
	return "", ref
}

func isSlash(c byte) bool { return c == '/' || c == '\\' }

// withoutDots takes dot segments out, also those that are percent-encoded.
func withoutDots(path string) string {
	if path == "" {
		return "/"
	}
	var kept []string
	segments := strings.Split(strings.ReplaceAll(path, `\`, "/"), "/")[1:]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		case ".":
		default:
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return "/" + strings.Join(kept, "/")
}
