package main

import "testing"

// A mutation of a line that is no longer there would never be tried.
func TestMutationsAreOfLinesThatAreThere(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, m := range mutations {
		if _, err := m.apply("../.."); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		if m.old == m.new || m.tests == "" || names[m.name] {
			t.Errorf("%s changes nothing, is tested by nobody, or is there twice", m.name)
		}
		names[m.name] = true
	}
}
