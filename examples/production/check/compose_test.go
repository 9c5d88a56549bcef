package check

import (
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// readCompose loads compose.yaml as docker compose does: by the schema, with anchors and variables filled in.
func readCompose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"}, cli.WithWorkingDirectory(".."), cli.WithoutEnvironmentResolution)
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

func TestComposeLetsNobodyInButThisMachine(t *testing.T) {
	t.Parallel()
	project := readCompose(t)
	if len(project.Services) < 7 {
		t.Fatalf("only %v", project.ServiceNames())
	}
	for name, service := range project.Services {
		if name != "proxy" && service.NetworkMode != "service:proxy" {
			t.Errorf("%s has the network %q: its loopback address is another one", name, service.NetworkMode)
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s on %q: everybody could sign in as anybody at the fake GitHub", name, port.Published, port.HostIP)
			}
		}
		if !service.ReadOnly || len(service.CapDrop) != 1 || service.CapDrop[0] != "ALL" || len(service.SecurityOpt) != 1 || service.User == "" && !strings.HasPrefix(service.Image, "ghlogin-") {
			t.Errorf("%s runs with more rights than it needs", name)
		}
	}
}
