// Package onvault tests the library as a system: servers, their sessions and a real Vault, which are
// killed, stopped, sealed and paused.
//
// A [Site] is a server as an app would put it together. Tests run several of them in one process;
// where one has to be killed they run the program in the folder server.
//
// Without a Docker engine the tests are skipped; see package vaulttest.
package onvault
