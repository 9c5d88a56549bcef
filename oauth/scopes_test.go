package oauth_test

import (
	"slices"
	"testing"

	"github.com/ghlogin/ghlogin/oauth"
)

func TestMissingScopesAreThoseThatNothingCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ granted, wanted, missing []string }{
		{nil, nil, nil},
		{nil, []string{"repo"}, []string{"repo"}},
		{[]string{"repo"}, []string{"repo", "repo:status", "public_repo"}, nil},
		{[]string{"repo:status"}, []string{"repo"}, []string{"repo"}},
		{[]string{"admin:org"}, []string{"read:org"}, nil},
		{[]string{"read:org"}, []string{"write:org", "read:org"}, []string{"write:org"}},
		{[]string{"user", "gist"}, []string{"user:email", "gist", "workflow", "workflow"}, []string{"workflow"}},
		{[]string{"of:the_future"}, []string{"of:the_future", "of:another"}, []string{"of:another"}},
		{[]string{"repository"}, []string{"repo"}, []string{"repo"}},
	} {
		if got := oauth.MissingScopes(tt.granted, tt.wanted); !slices.Equal(got, tt.missing) {
			t.Errorf("MissingScopes(%q, %q) = %q, want %q", tt.granted, tt.wanted, got, tt.missing)
		}
	}
}
