// Command vault is Vault's own server, built from its Go module for tests on machines that reach no
// image registry. See the Makefile's target vault-image.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
