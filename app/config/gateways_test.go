package config

import (
	"strings"
	"testing"
)

func TestGateways(t *testing.T) {
	for list, message := range map[string]string{
		"[{name: a, address: '127.0.0.1:7222'}]":                                                                  "",
		"[{name: a.b, address: 'gw.example.org:1', server_name: c, ca_file: f, cert_file: f, key_file: k}]":       "",
		"[{name: a, address: '[::1]:7222', clients: {address: 'h:1', names: [h, 127.0.0.1]}, asks_usher: false}]": "",
		"[{name: a, address: 'h:1'}, {name: a, address: 'h:2'}]":                                                  "gateways[1].name",
		"[{address: 'h:1'}]":                                                    "gateways[0].name",
		"[{name: a}]":                                                           "gateways[0].address",
		"[{name: a, address: ':7222'}]":                                         "expected host:port",
		"[{name: a, address: h}]":                                               "expected host:port",
		"[{name: a, address: 'h:0'}]":                                           "expected a port from 1 to 65535",
		"[{name: a, address: 'h:1', server_name: 'a b'}]":                       "gateways[0].server_name",
		"[{name: a, address: 'h:1', cert_file: f}]":                             "gateways[0].key_file",
		"[{name: a, address: 'h:1', clients: {address: 'h:1'}}]":                "gateways[0].clients.names",
		"[{name: a, address: 'h:1', clients: {names: [h]}}]":                    "gateways[0].clients.address",
		"[{name: a, address: 'h:1', clients: {verify: true}}]":                  "gateways[0].clients.verify",
		"[{name: a, address: 'h:1', clients: {address: 'h:1', names: [h, h]}}]": "gateways[0].clients.names[1]",
		"[{name: a, address: 'h:1', url: x}]":                                   "gateways[0].url",
	} {
		_, err := Parse("usher.yaml", []byte("accounts: {callout: A, system: S}\nkeyring: {dir: k}\ndirectory: {file: d}\ngateways: "+list+"\n"))
		if (err == nil) != (message == "") || err != nil && !strings.Contains(err.Error(), message) {
			t.Errorf("%s: want %q: %v", list, message, err)
		}
	}
}
