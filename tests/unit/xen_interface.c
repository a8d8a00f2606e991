/* SPDX-License-Identifier: BSD-3-Clause */
/* libxenctrl's handle where there is no hypervisor: it opens, and whatever fails was out of luck.
 */
#include <xenctrl.h>

static char handle;

xc_interface *__wrap_xc_interface_open(
	xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned flags);
xc_interface *__wrap_xc_interface_open(
	xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned flags)
{
	return (xc_interface *)&handle;
}

int __wrap_xc_interface_close(xc_interface *xch);
int __wrap_xc_interface_close(xc_interface *xch)
{
	return 0;
}

const xc_error *__wrap_xc_get_last_error(xc_interface *xch);
const xc_error *__wrap_xc_get_last_error(xc_interface *xch)
{
	static const xc_error error = {.code = XC_INTERNAL_ERROR, .message = "out of luck"};

	return &error;
}
