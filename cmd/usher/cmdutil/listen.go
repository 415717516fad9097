package cmdutil

import (
	"net"
	"strconv"
	"strings"
	"unicode"

	"usher/app/setup"
)

// CheckAdvertisedAddress checks a listen address that clients or files refer to, so that
// its port cannot be 0. why completes the error for port 0.
func CheckAdvertisedAddress(option, listen, why string) error {
	if err := CheckListenAddress(option, listen); err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(listen); port == "0" {
		return UsageError("such as --"+option+" "+setup.DefaultListen, "--%s needs a port: %s", option, why)
	}
	return nil
}

// CheckListenAddress checks that an option is HOST:PORT. An accepted address needs no
// escaping inside the quotes of a configuration file.
func CheckListenAddress(option, listen string) error {
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
