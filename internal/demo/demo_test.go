package demo

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
)

// variables are those that Start looks at or sets.
var variables = []string{
	"GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_BASE_URL", "GITHUB_API_URL", "GITHUB_SCOPES", "GITHUB_REDIRECT_URL",
}

// setenv sets all variables, those that are not in env to "". The test's end brings the old ones back.
func setenv(t *testing.T, env map[string]string) {
	t.Helper()
	for _, name := range variables {
		t.Setenv(name, env[name])
	}
}

//nolint:paralleltest // It changes the process's environment.
func TestWithNothingSetThereIsAFakeGitHubAndTheEnvironmentPointsAtIt(t *testing.T) {
	// A CI of GitHub's sets GITHUB_API_URL, which must not lead a demo astray.
	setenv(t, map[string]string{"GITHUB_API_URL": "https://api.github.com"})
	gh, err := Start("http://127.0.0.1:8080", githubtest.App{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range variables {
		if os.Getenv(name) == "" {
			t.Errorf("%s is empty", name)
		}
	}
	if api := os.Getenv("GITHUB_API_URL"); !strings.HasPrefix(api, gh.FakeURL+"/") || os.Getenv("GITHUB_BASE_URL") != gh.FakeURL {
		t.Errorf("GITHUB_API_URL=%s and GITHUB_BASE_URL=%s, want both at %s", api, os.Getenv("GITHUB_BASE_URL"), gh.FakeURL)
	}
	if _, err := configFromEnv(); err != nil {
		t.Error(err)
	}
	resp, err := http.Get(gh.FakeURL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	gh.Close()
	if resp, err := http.Get(gh.FakeURL); err == nil {
		resp.Body.Close()
		t.Error("the fake GitHub answers after Close")
	}
}

//nolint:paralleltest // It changes the process's environment.
func TestOneVariableIsEnoughToMeanARealGitHub(t *testing.T) {
	for _, name := range []string{"GITHUB_CLIENT_ID", "GITHUB_CLIENT_SECRET", "GITHUB_BASE_URL"} {
		setenv(t, map[string]string{name: "x"})
		gh, err := Start("http://127.0.0.1:8080", githubtest.App{})
		if err != nil {
			t.Fatal(err)
		}
		if gh.FakeURL != "" {
			t.Errorf("a fake GitHub although %s is set", name)
		}
		for _, other := range variables[:5] {
			if other != name && os.Getenv(other) != "" {
				t.Errorf("with %s set, %s became %q", name, other, os.Getenv(other))
			}
		}
		if got, want := os.Getenv("GITHUB_REDIRECT_URL"), "http://127.0.0.1:8080/auth/github/callback"; got != want {
			t.Errorf("GITHUB_REDIRECT_URL is %q, want %q", got, want)
		}
		gh.Close()
	}
}

func TestListenNamesTheHostThatWasAskedForAndThePortThatWasFound(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"127.0.0.1:0": "http://127.0.0.1:",
		"localhost:0": "http://localhost:",
		":0":          "http://127.0.0.1:",
		"0.0.0.0:0":   "http://127.0.0.1:",
	} {
		listener, url, err := Listen(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		if !strings.HasPrefix(url, want) || strings.HasSuffix(url, ":0") {
			t.Errorf("Listen(%q) is at %s, want %s and a port", addr, url, want)
		}
	}
}
