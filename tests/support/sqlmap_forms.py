"""The forms that sqlmap is sent to (sqlmap_targets.py), each with fields to send."""

from __future__ import annotations

ROLES = ("admin", "auditor", "operator", "viewer")
NOBODY, GUARDED, HALFWAY, FORGETFUL = "", "guarded", "halfway", "forgetful"
"""Beside the roles: nobody; who has a second factor; who still owes it; who follows the link of a reset."""

SAVE = "&_continue=1"
SETTINGS = (
    "entity_name=fact_vendas&owner=a&is_required=on&watermark_expression=a&target_updated_column=a"
    "&target_updated_is_load_time=on&status_words=a&masked_columns=a&late_warning_minutes=9&late_critical_minutes=5"
    "&no_run_warning_hours=9&no_run_critical_hours=5&failure_warning_percent=9&failure_critical_percent=5"
    "&coverage_warning_points=9&coverage_critical_points=5"
)
"""Critical before warning: refused after everything was looked at, so that the next request finds the same."""
PERSON = "username=sacrificed&first_name=a&last_name=a&email=a@example.com&is_active=on&groups={group}"
PERSON += "&date_joined_0=2026-01-01&date_joined_1=x"
ACTION = "action=delete_selected&select_across=0&index=0&_selected_action="

FORMS: dict[str, tuple[str, ...]] = {
    "preferences/": ("language=en&time_zone=UTC&theme=dark&refresh_seconds=10&auto_refresh=on",),
    "preferences/set/": ("theme=dark&language=en&next=/",),
    "account/sessions/": ("session=888888",),
    "account/password/change/": ("oldpassword=a&password1=b&password2=b&next=/",),
    "account/reauthenticate/": ("password=demo&next=/",),
    "account/security/app/add/": ("code=123456",),
    "account/security/keys/add/": ("name=a&passwordless=on&credential={}",),
    "connections/capture/": ("next=/connections/",),
    "pipelines/{pipeline}/sample/unmask/": ("next=/",),
    "pipelines/{pipeline}/checks/run/": ("next=/",),
    "runs/failures/{failure}/unmask/": ("next=/",),
    "admin/monitoring/pipelinesettings/add/": (SETTINGS + SAVE,),
    "admin/monitoring/pipelinesettings/{pipeline}/change/": (SETTINGS.partition("&")[2] + SAVE,),
    "admin/monitoring/pipelinesettings/{pipeline}/delete/": ("post=",),
    "admin/monitoring/pipelinesettings/": (f"{ACTION}{{pipeline}}",),
    "admin/monitoring/groupscope/add/": ("group=&entity_names={pipeline}" + SAVE,),
    "admin/monitoring/groupscope/{limit}/change/": ("entity_names=none" + SAVE,),
    "admin/monitoring/groupscope/{limit}/delete/": ("post=",),
    "admin/monitoring/groupscope/": (f"{ACTION}{{limit}}",),
    "admin/monitoring/grouppolicy/add/": ("group={group}&require_second_factor=on" + SAVE,),
    "admin/monitoring/grouppolicy/{policy}/change/": ("require_second_factor=" + SAVE,),
    "admin/monitoring/grouppolicy/{policy}/delete/": ("post=",),
    "admin/monitoring/grouppolicy/": (f"{ACTION}{{policy}}",),
    "admin/monitoring/portalsettings/1/change/": ("signup_open=on&signup_viewer=on&superusers_need_second_factor=",),
    "admin/monitoring/portalsettings/": (f"{ACTION}1",),
    "admin/monitoring/userpreferences/add/": ("user=888&language=en&time_zone=UTC&theme=dark&refresh_seconds=10",),
    "admin/monitoring/userpreferences/{preferences}/change/": (
        "user={user}&language=en&time_zone=x&theme=dark&refresh_seconds=10&auto_refresh=on" + SAVE,
    ),
    "admin/monitoring/userpreferences/{preferences}/delete/": ("post=",),
    "admin/monitoring/userpreferences/": (f"{ACTION}{{preferences}}",),
    "admin/auth/user/add/": ("username=sacrificed&password1=b&password2=c&usable_password=true" + SAVE,),
    "admin/auth/user/{user}/change/": (PERSON + SAVE,),
    "admin/auth/user/{user}/password/": ("username=sacrificed&password1=b&password2=c&usable_password=true",),
    "admin/auth/user/{user}/delete/": ("post=",),
    "admin/auth/user/": (f"{ACTION}{{user}}",),
    "admin/auth/group/add/": ("name=spare&permissions=1" + SAVE,),
    "admin/auth/group/{group}/change/": ("name=viewer&permissions=1" + SAVE,),
    "admin/auth/group/{group}/delete/": ("post=",),
    "admin/auth/group/": (f"{ACTION}{{group}}",),
    "admin/password_change/": ("old_password=a&new_password1=b&new_password2=b",),
}
"""Each as every role that may send it. What is sent is refused, or changes what is so already."""

OTHERS_FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    NOBODY: {
        "account/login/": ("login=viewer&password=a&next=/&remember=on",),
        "account/signup/": ("username=viewer&email=viewer@example.com&password1=a&password2=b&next=/",),
        "account/password/reset/": ("email=nobody@example.com",),
        "account/passkey/": ("credential={}&next=/",),
    },
    GUARDED: {
        "account/second-factor/again/": ("code=123456&next=/",),
        "account/security/keys/{passkey}*/edit/": ("name=key",),
        "account/security/keys/again/": ("credential={}&next=/",),
    },
    HALFWAY: {"account/second-factor/": ("code=123456&credential={}&next=/",)},
    FORGETFUL: {"account/password/reset/key/{uid}-set-password/": ("password1=a&password2=b",)},
}

NOT_FORMS = {
    "account/logout/": "the first request ends the session; what it reads of an address is attacked as nobody",
    "account/security/app/remove/": "a button: no field but the token",
    "account/security/codes/new/": "a button: no field but the token",
    "account/security/keys/1/remove/": "a button: no field but the token",
}
