package houserules

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryDirectDependencyIsAccountedFor(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal([]byte(goTool(t, "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require) == 0 {
		t.Fatal("go.mod requires nothing: this test looks at the wrong thing")
	}
	for _, require := range mod.Require {
		if !require.Indirect && !strings.Contains(string(page), "`"+require.Path+"`") {
			t.Errorf("docs/dependencies.md does not say what %s is for", require.Path)
		}
	}
}
