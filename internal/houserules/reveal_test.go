package houserules

import (
	"go/ast"
	"strings"
	"testing"
)

// mayReveal lists the files outside oauth that read a secret's text, each with the reason. A new line here deserves
// a reviewer's question: where does the text go from there?
var mayReveal = map[string]string{
	"grant/record.go":       "a stored grant holds its token; the JSON goes to the store alone",
	"grant/transport.go":    "the Authorization header of a request to GitHub's API",
	"middleware/config.go":  "the length of a cookie key",
	"middleware/login.go":   "the PKCE verifier goes into the sealed cookie of its attempt",
	"middleware/seal.go":    "keys are derived from it",
	"middleware/webhook.go": "the key of a delivery's signature, which goes nowhere",
}

func TestOnlyListedFilesReadASecretsText(t *testing.T) {
	t.Parallel()
	readers := map[string]bool{}
	for _, file := range sources(t) {
		if within(file.path, "oauth") {
			continue
		}
		for _, use := range reveals(file) {
			readers[file.path] = true
			if mayReveal[file.path] == "" {
				t.Errorf("%s: reads a secret's text; keep the oauth.Secret, or give the reason in mayReveal", use)
			}
		}
	}
	for path := range mayReveal {
		if !readers[path] {
			t.Errorf("mayReveal lists %s, which reads no secret: take the line out", path)
		}
	}
}

// reveals returns the positions at which the file calls Reveal or takes it as a value. It goes by the name alone, which
// no other type of the module bears; tests are free to look and are not searched.
func reveals(file sourceFile) []string {
	var found []string
	ast.Inspect(file.ast, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok && selector.Sel.Name == "Reveal" {
			found = append(found, file.fset.Position(selector.Sel.Pos()).String())
		}
		return true
	})
	return found
}

func TestRevealsSeesCallsAndMethodValues(t *testing.T) {
	t.Parallel()
	tests := map[string]int{
		"func f(s oauth.Secret) string { return s.Reveal() }":        1,
		"func f(t oauth.Token) string { return t.Access.Reveal() }":  1,
		"func f(s oauth.Secret) func() string { return s.Reveal }":   1,
		"var f = oauth.Secret.Reveal":                                1,
		"// Reveal is only spoken of.\nfunc f() { print(`Reveal`) }": 0,
	}
	for source, want := range tests {
		if got := reveals(parseText(t, "x.go", "package x\n"+source)); len(got) != want {
			t.Errorf("found %d uses (%s), want %d, in:\n%s", len(got), strings.Join(got, ", "), want, source)
		}
	}
}
