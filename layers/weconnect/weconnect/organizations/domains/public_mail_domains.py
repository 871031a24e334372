"""Mail domains in which anybody can have an address, so that no organization can claim them."""

_NAMES = """
    126.com 163.com aim.com aol.com bluewin.ch fastmail.com free.fr freenet.de gmail.com gmx.at
    gmx.ch gmx.com gmx.de gmx.net googlemail.com hey.com hotmail.co.uk hotmail.com hotmail.de
    hotmail.fr icloud.com laposte.net libero.it live.com live.de mac.com mail.com mail.ru
    mailbox.org me.com msn.com naver.com orange.fr outlook.com outlook.de outlook.fr pm.me posteo.de
    proton.me protonmail.com qq.com rocketmail.com t-online.de tutanota.com web.de yahoo.co.uk
    yahoo.com yahoo.de yahoo.fr yandex.com yandex.ru ymail.com zoho.com
"""
PUBLIC_MAIL_DOMAINS = frozenset(_NAMES.split())
