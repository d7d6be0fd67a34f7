"use strict";

document.getElementById("url").textContent = location.origin;
