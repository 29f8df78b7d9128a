package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
)

// OnePod rejects all arguments but the name of one Pod, which may be written as kubectl prints it:
// pod/NAME. PodName returns the name.
func OnePod(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes the name of one Pod, and there are %d: kubectl get pods lists them", cmd.CommandPath(), len(args))
	}
	if name := PodName(args[0]); len(validation.IsDNS1123Subdomain(name)) > 0 {
		return fmt.Errorf("%s is not the name of a Pod: kubectl get pods lists them", Quote(args[0]))
	}
	return nil
}

// PodName returns the name of a Pod that may be written as kubectl prints it.
func PodName(arg string) string {
	for _, kind := range []string{"pod/", "pods/", "po/"} {
		if name, found := strings.CutPrefix(arg, kind); found {
			return name
		}
	}
	return arg
}
