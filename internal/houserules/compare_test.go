package houserules

import (
	"go/ast"
	"go/token"
	"slices"
	"testing"
)

// A comparison that ends at the first difference tells, by the time it takes, how far a guess was right. So secrets are
// compared by oauth.Secret.Equal, hmac.Equal or subtle.ConstantTimeCompare alone.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	for _, file := range sources(t) {
		if within(file.path, "githubtest") || within(file.path, "examples") {
			continue // A fake has no secrets to keep.
		}
		for _, at := range hastyComparisons(file) {
			t.Errorf("%s: compares a secret in a time that depends on it; use oauth.Secret.Equal", at)
		}
	}
}

// secretFields are fields of an attempt, which is called t everywhere, that hold a secret's text as a string.
var secretFields = []string{"State", "Verifier"}

// isSecret tells a call of Reveal, also as bytes, and the fields above.
func isSecret(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return isSecret(e.X)
	case *ast.SelectorExpr:
		of, ok := e.X.(*ast.Ident)
		return ok && of.Name == "t" && slices.Contains(secretFields, e.Sel.Name)
	case *ast.CallExpr:
		if selector, ok := e.Fun.(*ast.SelectorExpr); ok && selector.Sel.Name == "Reveal" {
			return true
		}
		_, conversion := e.Fun.(*ast.ArrayType)
		return conversion && isSecret(e.Args[0])
	}
	return false
}

// hastyComparisons returns the positions at which a secret is compared with anything but the empty text.
func hastyComparisons(file sourceFile) []string {
	var found []string
	report := func(at ast.Node) { found = append(found, file.fset.Position(at.Pos()).String()) }
	isEmpty := func(e ast.Expr) bool {
		text, ok := e.(*ast.BasicLit)
		return ok && text.Value == `""`
	}
	ast.Inspect(file.ast, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BinaryExpr:
			if (n.Op == token.EQL || n.Op == token.NEQ) && (isSecret(n.X) && !isEmpty(n.Y) || isSecret(n.Y) && !isEmpty(n.X)) {
				report(n)
			}
		case *ast.SwitchStmt:
			if n.Tag != nil && isSecret(n.Tag) {
				report(n)
			}
		case *ast.CallExpr:
			// Methods of a Secret take another one; what takes its text is strings.EqualFold, bytes.Equal and the like.
			selector, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains([]string{"Equal", "EqualFold", "Compare", "HasPrefix", "HasSuffix"}, selector.Sel.Name) {
				return true
			}
			if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name != "hmac" && slices.ContainsFunc(n.Args, isSecret) {
				report(n)
			}
		}
		return true
	})
	return found
}

func TestHastyComparisonsAreSeen(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]int{
		"func f(a, b oauth.Secret) bool { return a.Reveal() == b.Reveal() }":                                                1,
		"func f(a oauth.Secret, s string) bool { return s != (a.Reveal()) }":                                                1,
		"func f(a oauth.Secret) bool { return a.Reveal() == `` }":                                                           1,
		"func f(a oauth.Secret) bool { return a.Reveal() != \"\" }":                                                         0,
		"func f(a oauth.Secret, s string) bool { return strings.EqualFold(a.Reveal(), s) }":                                 1,
		"func f(a oauth.Secret, b []byte) bool { return bytes.Equal([]byte(a.Reveal()), b) }":                               1,
		"func f(a oauth.Secret, b []byte) bool { return hmac.Equal([]byte(a.Reveal()), b) }":                                0,
		"func f(a oauth.Secret, b []byte) bool { return subtle.ConstantTimeCompare([]byte(a.Reveal()), b) == 1 }":           0,
		"func f(a oauth.Secret) bool { switch a.Reveal() { case \"x\": return true }; return false }":                       1,
		"func f(m membership) bool { return m.State == `active` }":                                                          0,
		"func f(t attempt, s string) bool { return t.State == s }":                                                          1,
		"func f(t attempt, s string) bool { return oauth.NewSecret(t.State).Equal(oauth.NewSecret(s)) && t.State != \"\" }": 0,
	} {
		if got := hastyComparisons(parseText(t, "x.go", "package x\n"+source)); len(got) != want {
			t.Errorf("found %q, want %d, in:\n%s", got, want, source)
		}
	}
}
