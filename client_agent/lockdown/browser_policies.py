"""The policies that hold Chrome, Chromium and Edge on the station's page; each system writes them in its own place.

Names are Chrome's; a browser passes over those that its version does not know.
"""

from __future__ import annotations

from typing import Any, Dict
from urllib.parse import urlsplit

from client_agent.lockdown.profile import LockProfile

_ALWAYS: Dict[str, Any] = {
    # The star leaves the browser's own pages out: settings, flags, the list of downloads.
    "URLBlocklist": [
        "*",
        "chrome://*",
        "chrome-untrusted://*",
        "edge://*",
        "devtools://*",
        "view-source:*",
        "file://*",
        "ftp://*",
    ],
    "DeveloperToolsAvailability": 2,
    "IncognitoModeAvailability": 1,
    "BrowserSignin": 0,
    "SyncDisabled": True,
    "BrowserAddPersonEnabled": False,
    "BrowserGuestModeEnabled": False,
    "ExtensionInstallBlocklist": ["*"],
    "BlockExternalExtensions": True,
    "PrintingEnabled": False,
    "DownloadRestrictions": 3,
    "DefaultPopupsSetting": 2,
    "DefaultNotificationsSetting": 2,
    "DefaultGeolocationSetting": 2,
    "DefaultSearchProviderEnabled": False,
    "SearchSuggestEnabled": False,
    "SpellcheckEnabled": False,
    "TranslateEnabled": False,
    "PasswordManagerEnabled": False,
    "AutofillAddressEnabled": False,
    "AutofillCreditCardEnabled": False,
    "EditBookmarksEnabled": False,
    "SharedClipboardEnabled": False,
    "ScreenCaptureAllowed": False,
    "AudioCaptureAllowed": False,
    "VideoCaptureAllowed": False,
    "BackgroundModeEnabled": False,
    "TaskManagerEndProcessEnabled": False,
    "MetricsReportingEnabled": False,
    "ComponentUpdatesEnabled": False,
    "SafeBrowsingProtectionLevel": 0,
    "NetworkPredictionOptions": 2,
    "AlternateErrorPagesEnabled": False,
    "BuiltInDnsClientEnabled": False,
    "DnsOverHttpsMode": "off",
    "QuicAllowed": False,
    "ProxyMode": "direct",
    "LensRegionSearchEnabled": False,
    "GenAiDefaultSettings": 2,
    "AllowDinosaurEasterEgg": False,
    "PromotionalTabsEnabled": False,
    # Listening items play their sound without a click.
    "AutoplayAllowed": True,
}


def browser_policies(profile: LockProfile) -> Dict[str, Any]:
    """Write the policies of a profile. Choosing a file (to upload it) is possible with practical work only."""
    return {
        **_ALWAYS,
        "URLAllowlist": [_exactly(origin) for origin in profile.origins],
        "AllowFileSelectionDialogs": profile.work_folder is not None,
    }


def _exactly(origin: str) -> str:
    """Write an origin as a filter that takes this host and none below it: a dot before the name."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    is_address = ":" in host or host.replace(".", "").isdigit()
    return origin if is_address else f"{parts.scheme}://.{parts.netloc}"
