package demotest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/internal/demo/demotest"
)

// A developer's shell points at a Vault, or at a GitHub App, that the tests' programs must not touch.
//
//nolint:paralleltest // It sets the environment.
func TestProgramSeesNothingOfTheDevelopersStoreNorApp(t *testing.T) {
	if os.Getenv("DEMOTEST_CHILD") != "" {
		for _, v := range os.Environ() {
			if strings.Contains(v, "of-the-shell") || strings.Contains(v, "of-the-test") {
				fmt.Println("SEEN", v)
			}
		}
		fmt.Println("END .")
		return
	}
	for _, name := range []string{"GHLOGIN_STORE", "GHLOGIN_VAULT_MOUNT", "VAULT_ADDR", "VAULT_TOKEN", "GITHUB_CLIENT_ID", "OTHER"} {
		t.Setenv(name, "of-the-shell")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := demotest.Start(t, self, []string{"DEMOTEST_CHILD=1", "VAULT_ADDR=of-the-test"}, "-test.run=^"+t.Name()+"$")
	p.Line(t, "END")
	_, stdout, _ := p.Wait(t)
	var seen []string
	for line := range strings.Lines(stdout) {
		if v, ok := strings.CutPrefix(line, "SEEN "); ok {
			seen = append(seen, strings.TrimSpace(v))
		}
	}
	if got := strings.Join(seen, ", "); got != "OTHER=of-the-shell, VAULT_ADDR=of-the-test" {
		t.Errorf("the program sees %s", got)
	}
}
