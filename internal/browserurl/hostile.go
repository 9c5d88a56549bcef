package browserurl

import (
	"slices"
	"strings"
)

// leads are ways to begin a reference that are known to lead, or to have led, off a site in one browser, proxy or
// library or another.
var leads = []string{
	// Slashes, and what a browser takes for one.
	"//", "///", "////", `/\`, `\/`, `\\`, `/\/`, `//\`, `/\\`, `\/\/`, "/;//", "/:/", "/@",
	// Characters that a browser drops: inside everywhere, at the ends too.
	"/\t/", "/\n/", "/\r/", "/\r\n/", "/\t\\", "/\n\\", "\t//", "\n//", "\r//", " //", "\x00//", "\x1f//", "\v//", "/\t/\t/", "\t/\t/",
	"/\x00/", "/\x0b/", "/\x7f/", "/ /", "/\u0085/", "/\u00a0/", "/\u200b/", "/\ufeff/", "\ufeff//",
	// Dot segments that leave two slashes behind.
	"/.//", "/..//", "/x/..//", "/x/../..//", "/%2e//", "/%2E%2e//", "/.%2e//", `/.\\`, `/..\\`, `/.\/`, `/x/..\/`, "/././/", "/.\t./\t/",
	// Encoded, for who decodes before they redirect.
	"/%2f", "/%2F", "%2f%2f", "/%5c", "/%5C", "%5c%5c", "/%2f/", "/%5c/", "/%252f", "/%255c", "/%09/", "/%0a/", "/%0d%0a/", "/%00/", "/%20/",
	"/%c0%af", "/%e2%81%84", "/%ef%bc%8f", "/%u002f", "/&sol;", `/\u002f`, `/\x2f`, "/\uff0f", "/\u2044", "/\u2215", "\uff0f\uff0f", "/\ufe68", "/\uff3c",
	// Schemes.
	"https://", "http://", "HTTPS://", "hTtPs:", "https:", "https:/", "https:///", `https:\`, `https:/\`, `https:\\`, "http:", "http:/", `http:\/`,
	"ht\ttps://", "https\n://", "\thttps://", " https://", "\x01https://", "https:\t//", "https%3a//", "ftp://", "ws://", "wss:", "file://", "file:",
	"javascript:", "JavaScript:", "java\tscript:", "\njavascript:", "javascript://", "javascript:%0a", "data:text/html,", "vbscript:", "blob:https://",
	"mailto:", "view-source:https://", "intent://", "about:", "x-y+z.1:", "/javascript:", "///javascript:",
	// What looks like the site itself.
	"https://app.example@", "https://app.example:x@", "//app.example@", "//app.example:443@", `//app.example\@`, "//app.example%40", "//user:pw@",
	"https://app.example.", "//app.example.", "//app.example%2f@", "https://app.example/@/..//", `https://app.example\`, "@", "@@", ":80//", ":@",
	// No path at all.
	"", ".", "..", "?//", "#//", "?", "#", "./", "../", "..//", ".//", `..\\`,
}

// targets follow a lead.
var targets = []string{
	"", "?", "?x=1", "evil.example", "evil.example/", "evil.example:443/x?y#z", "evil.example%2f..", "evil%E3%80%82example", "evil\u3002example", "\u2460evil.example",
	"app.example@evil.example", "app.example.evil.example", "0x7f.1", "2130706433", "[::1]", "evil.example%00.app.example",
}

// endings are what does not begin badly, but goes on so.
var endings = []string{
	"/x\r\nSet-Cookie: a=b", "/x\nLocation: //evil.example", "/x\r\n\r\n<script>alert(1)</script>", "/x%0d%0aSet-Cookie:a=b", "/x\u560d\u560aSet-Cookie:a=b",
	"/x?\r\nSet-Cookie: a=b", "/x#\nx", "/%zz", "/%", "/%2", "/x%", "/\xff", "/\xc0\xaf", "/\xed\xa0\x80", "/?\xff", "/[", "/]", "/x[::1]",
	"/" + strings.Repeat("x", 2000), "/?" + strings.Repeat("x", 100_000), "/" + strings.Repeat("../", 500), "/" + strings.Repeat("%2e%2e/", 300),
	strings.Repeat("/", 1000), strings.Repeat(`\`, 1000), "/" + strings.Repeat("\t", 900) + "/evil.example",
}

// Hostile returns many hundred references that somebody might give for a path to return to. Not all of them lead
// elsewhere: some only look like it.
func Hostile() []string {
	all := slices.Clone(endings)
	for _, lead := range leads {
		for _, target := range targets {
			all = append(all, lead+target)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
