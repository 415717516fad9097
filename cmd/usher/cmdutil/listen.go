package cmdutil

import (
	"net"
	"strconv"
	"strings"
	"unicode"

	"usher/app/setup"
)

// CheckFixed checks the address of a listener that others are told of.
func CheckFixed(option, listen, why string) error {
	if err := CheckListen(option, listen); err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(listen); port == "0" {
		return UsageError("such as --"+option+" "+setup.DefaultListen, "--%s needs a port: %s", option, why)
	}
	return nil
}

// CheckListen checks the address of a listener. What passes can stand between
// quotes in any file.
func CheckListen(option, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsFunc(host, notInHost) {
		return UsageError("such as --"+option+" "+setup.DefaultListen, "--%s %q is not HOST:PORT", option, listen)
	}
	return nil
}

func notInHost(r rune) bool {
	return !strings.ContainsRune("-.:_%", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r)
}
