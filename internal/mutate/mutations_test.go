package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A mutation of a line that is no longer there would never be tried, and one whose test has another name now is found by none.
func TestMutationsAreOfLinesAndTestsThatAreThere(t *testing.T) {
	t.Parallel()
	const root = "../.."
	tests := testsBelow(t, root)
	names := make(map[string]bool)
	for _, m := range mutations {
		if _, err := m.apply(root); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if m.old == m.new || m.tests == "" || names[m.name] {
			t.Errorf("%s changes nothing, is tested by nobody, or is there twice", m.name)
		}
		names[m.name] = true
		for _, test := range testName.FindAllString(m.run, -1) {
			if !tests[test] {
				t.Errorf("%s: there is no %s", m.name, test)
			}
		}
	}
}

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz)\w+`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

func testsBelow(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range testFunc.FindAllSubmatch(text, -1) {
			found[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
