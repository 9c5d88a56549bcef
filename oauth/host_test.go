package oauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

func TestHostFromURL(t *testing.T) {
	t.Parallel()
	gitHub := oauth.GitHub()
	octo := oauth.Host{
		Name: "octo.ghe.com", Web: "https://octo.ghe.com",
		API: "https://api.octo.ghe.com/", Upload: "https://uploads.octo.ghe.com/",
	}
	server := func(root, name string) oauth.Host {
		return oauth.Host{Name: name, Web: root, API: root + "/api/v3/", Upload: root + "/api/uploads/"}
	}
	for web, want := range map[string]oauth.Host{
		"":                               gitHub,
		"https://github.com":             gitHub,
		"https://github.com/":            gitHub,
		"https://github.com:443":         gitHub,
		"HTTPS://GitHub.com":             gitHub,
		"https://www.github.com":         gitHub,
		"https://api.github.com/":        gitHub,
		"https://octo.ghe.com":           octo,
		"https://Octo.GHE.com/":          octo,
		"https://api.octo.ghe.com":       octo,
		"https://octo.ghe.com/api/v3":    octo,
		"https://octo.ghe.com/api/v3/":   octo,
		"https://git.example.com":        server("https://git.example.com", "git.example.com"),
		"https://Git.Example.com/":       server("https://git.example.com", "git.example.com"),
		"https://git.example.com/api/v3": server("https://git.example.com", "git.example.com"),
		"https://git.example.com:8443":   server("https://git.example.com:8443", "git.example.com:8443"),
		"https://git.example.com:443/":   server("https://git.example.com", "git.example.com"),
		"https://git":                    server("https://git", "git"),
		"https://10.0.0.1":               server("https://10.0.0.1", "10.0.0.1"),
		"https://[2001:db8::1]:8443":     server("https://[2001:db8::1]:8443", "[2001:db8::1]:8443"),
		"https://notgithub.com":          server("https://notgithub.com", "notgithub.com"),
		"https://github.com.example.com": server("https://github.com.example.com", "github.com.example.com"),
		"http://127.0.0.1:9090":          server("http://127.0.0.1:9090", "127.0.0.1:9090"),
		"http://127.9.9.9":               server("http://127.9.9.9", "127.9.9.9"),
		"http://localhost:9090/":         server("http://localhost:9090", "localhost:9090"),
		"http://[::1]:9090":              server("http://[::1]:9090", "[::1]:9090"),
	} {
		got, err := oauth.HostFromURL(web)
		if err != nil || got != want {
			t.Errorf("HostFromURL(%q) is %+v, %v; want %+v", web, got, err, want)
			continue
		}
		if err := got.Validate(); err != nil {
			t.Errorf("HostFromURL(%q) is not valid: %v", web, err)
		}
	}
}

func TestHostFromURLSaysWhatToWriteInstead(t *testing.T) {
	t.Parallel()
	for web, want := range map[string]string{
		"github.com":                     "https://HOST",
		"git.example.com:8443":           "https://HOST",
		"//git.example.com":              "https://HOST",
		"https://":                       "https://HOST",
		"ftp://git.example.com":          "https://HOST",
		" https://git.example.com":       "https://HOST",
		"https://git.example.com/github": "https://HOST only",
		"https://git.example.com//":      "https://HOST only",
		"https://git.example.com?a=b":    "remove the query",
		"https://git.example.com?":       "remove the query",
		"https://git.example.com#a":      "remove the fragment",
		"https://git.example.com#":       "remove the fragment",
		"https://u:pw@git.example.com":   "remove the user",
		"https://pw-in-a-bad-url%zz":     "https://HOST",
		"http://git.example.com":         "https://git.example.com",
		"http://github.com":              "https://github.com",
		"http://octo.ghe.com":            "https://octo.ghe.com",
		"http://127.0.0.1.example.com":   "https://127.0.0.1.example.com",
		"http://localhost.example.com":   "https://localhost.example.com",
		"https://gist.github.com":        "https://github.com",
		"https://github.com:8443":        "https://github.com",
		"https://ghe.com":                "https://SUBDOMAIN.ghe.com",
		"https://api.ghe.com":            "https://SUBDOMAIN.ghe.com",
		"https://a.b.ghe.com":            "https://SUBDOMAIN.ghe.com",
		"https://uploads.octo.ghe.com":   "https://SUBDOMAIN.ghe.com",
		"https://octo.ghe.com:8443":      "https://SUBDOMAIN.ghe.com",
		"https://git.example.com.":       "without a dot",
		"https://gít.example.com":        "ASCII",
		"https://git example.com":        "https://HOST",
		"https://git.example.com:0":      "1 to 65535",
		"https://git.example.com:":       "1 to 65535",
		"https://git.example.com:99999":  "1 to 65535",
		"https://git.example.com:08443":  "1 to 65535",
		"https://[fe80::1%25eth0]":       "host name",
	} {
		got, err := oauth.HostFromURL(web)
		if err == nil {
			t.Errorf("HostFromURL(%q) is %+v, want an error", web, got)
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw") {
			t.Errorf("HostFromURL(%q): %q doesn't say %q, or shows a password", web, err, want)
		}
	}
}

func TestHostValidateReportsAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	err := oauth.Host{
		Name: "GitHub.com", Web: "https://github.com/", API: "https://api.github.com", Upload: "http://uploads.github.com/",
	}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Name", "Web", "API", "Upload"} {
		if !strings.Contains(err.Error(), "host: "+want) {
			t.Errorf("%q says nothing about %s", err, want)
		}
	}
	if err := (oauth.Host{}).Validate(); err == nil {
		t.Error("the zero Host is valid")
	}
	if err := oauth.GitHub().Validate(); err != nil {
		t.Errorf("github.com is not valid: %v", err)
	}
	// A store's key would be shared with the users of another host.
	other := oauth.GitHub()
	other.Name = "git.example.com"
	if other.Validate() == nil {
		t.Error("a Host may have another's name")
	}
}

func TestTokenGoesToTheAPIAndNowhereElse(t *testing.T) {
	t.Parallel()
	server, err := oauth.HostFromURL("https://git.example.com")
	if err != nil {
		t.Fatal(err)
	}
	local, err := oauth.HostFromURL("http://127.0.0.1:9090")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host oauth.Host
		url  string
		want bool
	}{
		{oauth.GitHub(), "https://api.github.com/user", true},
		{oauth.GitHub(), "https://API.GitHub.com:443/user", true},
		{oauth.GitHub(), "https://uploads.github.com/repos", true},
		{oauth.GitHub(), "http://api.github.com/user", false},
		{oauth.GitHub(), "https://api.github.com:8443/user", false},
		{oauth.GitHub(), "https://github.com/user", false},
		{oauth.GitHub(), "https://codeload.github.com/octocat/zip", false},
		{oauth.GitHub(), "https://api.github.com.example.com/user", false},
		{oauth.GitHub(), "https://api.github.com@example.com/user", false},
		{oauth.GitHub(), "/user", false},
		{oauth.GitHub(), "", false},
		{oauth.GitHub(), "https:api.github.com/user", false},
		{server, "https://git.example.com/api/v3/user", true},
		{server, "https://git.example.com/api/graphql", true},
		{server, "https://api.github.com/user", false},
		{local, "http://127.0.0.1:9090/api/v3/user", true},
		{local, "http://127.0.0.1:9091/api/v3/user", false},
		{local, "http://localhost:9090/api/v3/user", false},
		{oauth.Host{}, "https://api.github.com/user", false},
		{oauth.Host{}, "", false},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.host.IsAPI(u); got != tt.want {
			t.Errorf("%s: IsAPI(%s) is %v, want %v", tt.host.Name, tt.url, got, tt.want)
		}
	}
	for _, lookalike := range []string{"https://api.g\u0130thub.com/user", "https://api.github.\u212aom/", "https://ap\u0131.github.com/"} {
		u, err := url.Parse(lookalike)
		if err != nil {
			t.Fatal(err)
		}
		if oauth.GitHub().IsAPI(u) {
			t.Errorf("a token may go to %s", lookalike)
		}
	}
	if oauth.GitHub().IsAPI(nil) {
		t.Error("IsAPI(nil) is true")
	}
}

func TestSettingsURLKeepsTheClientIDInItsPlace(t *testing.T) {
	t.Parallel()
	const want = "https://github.com/settings/connections/applications/a%2Fb%3Fc"
	if got := oauth.GitHub().SettingsURL("a/b?c"); got != want {
		t.Errorf("SettingsURL is %s, want %s", got, want)
	}
}

// The token goes to the GraphQL API, too, which on an Enterprise Server is not below the REST API.
func TestGraphQLURLIsWhereGitHubPutsItAndATokenMayGoThere(t *testing.T) {
	t.Parallel()
	for web, want := range map[string]string{
		"https://github.com":           "https://api.github.com/graphql",
		"https://octo.ghe.com":         "https://api.octo.ghe.com/graphql",
		"https://git.example.com:8443": "https://git.example.com:8443/api/graphql",
	} {
		host, err := oauth.HostFromURL(web)
		if err != nil {
			t.Fatal(err)
		}
		got, err := url.Parse(host.GraphQLURL())
		if err != nil || got.String() != want || !host.IsAPI(got) {
			t.Errorf("%s: the GraphQL API is at %s (%v), want %s, where a token may go", web, got, err, want)
		}
	}
}
