package githubtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ghlogin/ghlogin/githubtest"
)

// ask sends a query to the server and returns its answer.
func ask(t *testing.T, gh *githubtest.Server, path, token, query string, variables map[string]any) (status int, answer string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, gh.URL()+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestGraphQLKnowsTheViewerAndTheirRepositories(t *testing.T) {
	t.Parallel()
	gh := githubtest.Start(t, oauthApp())
	hubot, octocat := gh.IssueToken(clientID, "hubot").AccessToken, gh.IssueToken(clientID, "octocat").AccessToken
	trusted := gh.IssueToken(clientID, "octocat", "repo").AccessToken
	for _, path := range []string{"/graphql", "/api/graphql"} { // As at api.github.com, and at an Enterprise Server.
		for _, tt := range []struct {
			token, query string
			variables    map[string]any
			want         string
		}{
			{hubot, "query { viewer { login databaseId name } }", nil, `{"data":{"viewer":{"databaseId":480938,"login":"hubot","name":"Hubot"}}}`},
			{hubot, "{viewer{login}}", nil, `{"data":{"viewer":{"login":"hubot"}}}`},
			{
				octocat, "query Repos($n: Int!) { viewer { repositories(first: $n) { totalCount nodes { nameWithOwner isPrivate } } } }",
				map[string]any{"n": 1},
				`{"data":{"viewer":{"repositories":{"nodes":[{"isPrivate":false,"nameWithOwner":"octocat/hello-world"}],"totalCount":3}}}}`,
			},
			{trusted, "{ viewer { repositories(first: 10) { totalCount } } }", nil, `{"data":{"viewer":{"repositories":{"totalCount":4}}}}`},
			{hubot, "{ viewer { repositories { totalCount } } }", nil, "must provide a `first` value"},
			{hubot, "{ viewer { repositories(first: 101) { totalCount } } }", nil, "must provide a `first` value"},
			{hubot, "{ viewer { repositories(first: 1) } }", nil, "no selections"},
			{hubot, "{viewer{shoeSize}}", nil, "shoeSize"},
			{hubot, "{viewer}", nil, "no selections"},
			{hubot, "{organization{login}}", nil, "organization"},
			{hubot, "{viewer{login}", nil, "errors"},
			{hubot, "{viewer{login}} }", nil, "errors"},
			{hubot, "mutation { addStar { clientMutationId } }", nil, "errors"},
			{hubot, "", nil, "errors"},
		} {
			status, got := ask(t, gh, path, tt.token, tt.query, tt.variables)
			if status != http.StatusOK || !strings.Contains(got, tt.want) || strings.Contains(got, "data") == strings.Contains(got, "errors") {
				t.Errorf("%s %s: %d %s, want %s", path, tt.query, status, got, tt.want)
			}
		}
		if status, got := ask(t, gh, path, "", "{viewer{login}}", nil); status != http.StatusUnauthorized {
			t.Errorf("%s without a token: %d %s", path, status, got)
		}
	}
}
